import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Attempt } from '../../lifecycle/attempt.ts';
import type { Job } from '../../lifecycle/job.ts';
import {
  ATTEMPT_STATES,
  ATTEMPT_TRANSITIONS,
  JOB_STATES,
  JOB_TRANSITIONS,
  canMoveAttempt,
  canMoveJob,
  isActive,
  type AttemptState,
  type AttemptTransition,
  type JobState,
  type JobTransition,
} from '../../lifecycle/transitions.ts';
import type { Store } from '../store.ts';
import {
  accept,
  claimNext,
  launchNext,
  listKinds,
  newAttempt,
  type OpenHarness,
  reload,
  withStore,
} from './fixtures.ts';
import { rejectsWith } from './rejects.ts';

const ENDINGS: Partial<Record<JobState, JobTransition>> = {
  blocked: 'block',
  quarantined: 'quarantine',
  ready: 'hand_off',
  completed: 'complete',
  failed: 'fail',
  cancelled: 'cancel',
  timed_out: 'time_out',
};

const SET = { reason: 'needs_human', blocker: 'a person must look' } as const;

/** Returns a new job in `state`. */
async function jobIn(store: Store, state: JobState): Promise<Job> {
  const after = state === 'waiting' ? { after: [(await accept(store, { start: false })).id] } : {};
  const accepted = await accept(store, { start: state !== 'created', priority: 9, pipeline: 'full', ...after });
  if (state === 'created' || state === 'waiting' || state === 'queued') return accepted;
  if (state === 'preparing') return claimNext(store);
  const { job } = await launchNext(store);
  const transition = ENDINGS[state];
  if (transition === undefined) return job;
  return store.moveJob({ id: job.id, transition, fence: job.fence, actor: 'owner', set: SET });
}

/** Moves that tell a result: who may not tell it is put on record. */
const RESULTS: ReadonlySet<JobTransition> = new Set(['advance', 'hand_off', 'complete', 'fail', 'time_out', 'block']);

/** What no caller may make of a job by name. */
const OWN_DOORS = ['claim', 'launch', 'wait', 'enqueue'] as const satisfies JobTransition[];

/** Frees the place a job holds, so that the next one can be claimed. */
async function release(store: Store, id: string): Promise<void> {
  const job = await reload(store, { id });
  if (isActive(job.state) || job.state === 'queued') {
    await store.moveJob({ id, transition: 'time_out', fence: job.fence, actor: 'owner' });
  }
}

/** The transition table, the fences, and that a refusal changes nothing. */
export function testTransitions(open: OpenHarness): void {
  const moves = (Object.keys(JOB_TRANSITIONS) as JobTransition[]).filter(
    (name) => !OWN_DOORS.some((own) => own === name),
  );
  for (const state of JOB_STATES) {
    it(`moves a job that is ${state} by the table and in no other way`, () =>
      withStore(open, async ({ store }) => {
        for (const transition of moves) {
          const job = await jobIn(store, state);
          assert.equal(job.state, state);
          const seq = await store.getLastSeq();
          const move = {
            id: job.id,
            transition,
            fence: job.fence,
            actor: 'owner',
            set: transition === 'start' ? {} : SET,
          };
          if (canMoveJob(state, transition)) {
            assert.equal((await store.moveJob(move)).state, JOB_TRANSITIONS[transition].to, transition);
            assert.equal(await store.getLastSeq(), seq + 1);
          } else {
            await rejectsWith('state-conflict', store.moveJob(move));
            assert.deepEqual(await reload(store, job), job);
            assert.deepEqual(await listKinds(store, seq), RESULTS.has(transition) ? ['refusal.record'] : []);
          }
          await release(store, job.id);
        }
      }));
  }

  it('claims, launches, waits and is given a place only through their own doors', () =>
    withStore(open, async ({ store }) => {
      const job = await jobIn(store, 'queued');
      for (const transition of OWN_DOORS) {
        await rejectsWith('bad-request', store.moveJob({ id: job.id, transition, fence: job.fence, actor: 'x' }));
      }
      await rejectsWith('state-conflict', store.intendAttempt(newAttempt(job)));
      await rejectsWith(
        'job-not-found',
        store.moveJob({ id: 'job_none', transition: 'start', fence: null, actor: 'x' }),
      );
    }));

  it('refuses every write of an older owner, and keeps nothing of it', () =>
    withStore(open, async ({ store }) => {
      await accept(store);
      const { job: old, attempt } = await launchNext(store);
      await store.settleAttempt(
        { id: attempt.id, transition: 'interrupt', fence: old.fence, actor: 'recovery' },
        { id: old.id, transition: 'interrupt', fence: old.fence, actor: 'recovery' },
      );
      const { job, attempt: second } = await launchNext(store);
      const [seq, attempts] = [await store.getLastSeq(), await store.listAttempts(job.id)];
      const stale = { fence: old.fence, actor: 'old owner' };
      await rejectsWith('fenced', store.moveJob({ id: job.id, transition: 'complete', ...stale }));
      await rejectsWith('fenced', store.noteJob({ id: job.id, set: { outputBytes: 7 }, ...stale }));
      await rejectsWith('fenced', store.intendAttempt(newAttempt(old)));
      await rejectsWith('fenced', store.moveAttempt({ id: attempt.id, transition: 'finish', ...stale }));
      await rejectsWith('fenced', store.moveAttempt({ id: second.id, transition: 'finish', ...stale }));
      await rejectsWith(
        'fenced',
        store.settleAttempt(
          { id: attempt.id, transition: 'finish', ...stale },
          { id: job.id, transition: 'complete', ...stale },
        ),
      );
      // One of the step, one of the attempt: repetition adds nothing.
      assert.deepEqual(await listKinds(store, seq), ['refusal.record', 'refusal.record']);
      assert.deepEqual([await reload(store, job), await store.listAttempts(job.id)], [job, attempts]);
    }));

  it('does not let an operator without a fence take a job from its owner', () =>
    withStore(open, async ({ store }) => {
      for (const state of ['preparing', 'running'] as const) {
        const job = await jobIn(store, state);
        for (const transition of ['cancel', 'fail', 'time_out', 'block', 'requeue'] as const) {
          await rejectsWith(
            'state-conflict',
            store.moveJob({ id: job.id, transition, fence: null, actor: 'x', set: SET }),
          );
        }
        assert.deepEqual(await reload(store, job), job);
      }
    }));

  it('gives each ending its outcome, and no other', () =>
    withStore(open, async ({ store }) => {
      const job = await jobIn(store, 'running');
      const move = { id: job.id, transition: 'fail', fence: job.fence, actor: 'owner' } as const;
      await rejectsWith('bad-request', store.moveJob({ ...move, set: { outcome: 'success' } }));
      await rejectsWith('bad-request', store.moveJob({ ...move, transition: 'block', set: { reason: null } }));
      assert.equal((await store.moveJob({ ...move, set: { outcome: 'failure' } })).outcome, 'failure');
    }));

  for (const state of ATTEMPT_STATES) {
    it(`moves an attempt that is ${state} by the table and in no other way`, () =>
      withStore(open, async ({ store }) => {
        for (const transition of Object.keys(ATTEMPT_TRANSITIONS) as AttemptTransition[]) {
          const attempt = await attemptIn(store, state);
          const seq = await store.getLastSeq();
          const move = { id: attempt.id, transition, fence: attempt.fence, actor: 'owner' };
          if (canMoveAttempt(state, transition)) {
            assert.equal((await store.moveAttempt(move)).state, ATTEMPT_TRANSITIONS[transition].to, transition);
          } else {
            await rejectsWith('state-conflict', store.moveAttempt(move));
            assert.deepEqual(await store.getAttempt(attempt.jobId, attempt.number), attempt);
            assert.equal(await store.getLastSeq(), seq);
          }
          await release(store, attempt.jobId);
        }
      }));
  }

  it('says which jobs a move is for, also of one at work', () =>
    withStore(open, async ({ store }) => {
      await accept(store);
      const { job } = await launchNext(store);
      const refusalOf = (transition: 'start' | 'retry'): Promise<string> =>
        store.moveJob({ id: job.id, transition, fence: null, actor: 'ann' }).then(
          () => '',
          (error: unknown) => String(error),
        );
      assert.match(await refusalOf('start'), /job 1 is running; start is for jobs that are created/);
      assert.match(
        await refusalOf('retry'),
        /job 1 is running; retry is for jobs that are ready, failed, .* or blocked/,
      );
    }));
}

const ATTEMPT_WAYS: Record<AttemptState, AttemptTransition | null> = {
  intended: null,
  running: 'attach',
  finished: 'finish',
  interrupted: 'interrupt',
  never_ran: 'seal',
  quarantined: 'quarantine',
};

/** Returns the attempt, in `state`, of a new running job. */
async function attemptIn(store: Store, state: AttemptState): Promise<Attempt> {
  await accept(store, { priority: 9 });
  const { attempt } = await launchNext(store);
  const transition = ATTEMPT_WAYS[state];
  if (transition === null) return attempt;
  return store.moveAttempt({ id: attempt.id, transition, fence: attempt.fence, actor: 'owner' });
}
