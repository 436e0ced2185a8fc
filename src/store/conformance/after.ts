import assert from 'node:assert/strict';
import { it } from 'node:test';
import { MAX_AFTER } from '../../lifecycle/dependency.ts';
import type { Job } from '../../lifecycle/job.ts';
import type { JobTransition } from '../../lifecycle/transitions.ts';
import type { JobMove, NewJob, Store } from '../store.ts';
import {
  accept,
  claimNext,
  completeNext,
  listKinds,
  newAttempt,
  newJob,
  reload,
  withStore,
  type OpenHarness,
} from './fixtures.ts';
import { rejectsWith } from './rejects.ts';

const WHY = { reason: 'needs_human', blocker: 'a person must look' } as const;

/** Accepts a job that comes after others. */
function acceptAfter(store: Store, others: readonly Job[], more: Partial<NewJob> = {}): Promise<Job> {
  return accept(store, { after: others.map(({ id }) => id), ...more });
}

/** An operator's move. */
function operate(store: Store, { id }: Job, transition: JobTransition): Promise<Job> {
  return store.moveJob({ id, transition, fence: null, actor: 'ann' });
}

/** Ends the next job of the queue so. */
async function endNext(store: Store, end: Pick<JobMove, 'transition' | 'set'>): Promise<Job> {
  const job = await claimNext(store);
  return store.moveJob({ id: job.id, fence: job.fence, actor: 'owner', ...end });
}

async function claim(store: Store): Promise<number[]> {
  return (await store.claimJobs({ boot: 'boot_a', hostLimit: 99, max: 9 })).map(({ number }) => number);
}

/** Its state, whom it waits for, by number, and its place. */
async function told(store: Store, job: Job): Promise<unknown[]> {
  const { state, reason, awaits, queueSeq, queuedAt } = await reload(store, job);
  assert.equal(queueSeq === null, queuedAt === null);
  const awaited = await store.listDependencies(awaits ?? []);
  return [state, reason, awaited.map(({ number }) => number), queueSeq];
}

/** Jobs that come after others: they have no place in the queue before the last of those ended well. */
export function testAfter(open: OpenHarness): void {
  it('gives a job its place at the end of the queue once the last it comes after ended well, in the same transaction', () =>
    withStore(open, async ({ store, reopen }) => {
      const [first, second] = [await accept(store), await accept(store)];
      const job = await acceptAfter(store, [second, first], { priority: 9 });
      assert.deepEqual([job.state, job.after, job.awaits], ['waiting', [second.id, first.id], [second.id, first.id]]);
      assert.deepEqual(await store.listQueue(9), [first, second]);
      assert.equal((await store.countJobsByState()).waiting, 1);
      assert.deepEqual((await store.listJobs({ state: 'waiting' })).items, [job]);
      await completeNext(store);
      assert.deepEqual(await told(store, job), ['waiting', null, [2], null]);
      const again = await reopen();
      assert.deepEqual(await claim(again), [2], 'whatever its priority, it stands in no line');
      const later = await accept(again, { priority: 9 });
      const before = await again.getLastSeq();
      const owned = await reload(again, second);
      await again.moveJob({ id: second.id, transition: 'complete', fence: owned.fence, actor: 'owner' });
      assert.deepEqual(await listKinds(again, before), ['job.complete', 'job.enqueue']);
      assert.deepEqual(await told(again, job), ['queued', null, [], 4]);
      assert.deepEqual([(await reload(again, job)).after, later.queueSeq], [[second.id, first.id], 3]);
      assert.deepEqual(await claim(again), [4, 3], 'behind the one that was there before it');
      assert.deepEqual((await again.checkDeep()).corrupt, []);
    }));

  it('takes references of every kind, each job once, and accepts nothing where one names none', () =>
    withStore(open, async ({ store }) => {
      const first = await accept(store);
      const job = await accept(store, { after: ['1', first.id, first.id.slice(0, -1)] });
      assert.deepEqual(job.after, [first.id]);
      const seq = await store.getLastSeq();
      await rejectsWith('job-not-found', accept(store, { after: ['1', '99'] }));
      await rejectsWith('ambiguous-id', accept(store, { after: ['job_'] }));
      await rejectsWith('bad-request', accept(store, { after: Array.from({ length: MAX_AFTER + 1 }, () => '1') }));
      assert.equal(await store.getLastSeq(), seq);
      const plain = await accept(store, { after: [] });
      assert.deepEqual([plain.state, plain.after, plain.awaits], ['queued', null, null]);
    }));

  it('queues it at once where all ended well before, and blocks it where one failed before', () =>
    withStore(open, async ({ store }) => {
      const first = await accept(store);
      await completeNext(store);
      const second = await accept(store);
      await endNext(store, { transition: 'fail', set: { reason: 'exit_code' } });
      assert.deepEqual(await told(store, await acceptAfter(store, [first])), ['queued', null, [], 3]);
      const blocked = await acceptAfter(store, [first, second]);
      assert.deepEqual(await told(store, blocked), ['blocked', 'dependency_failed', [2], null]);
      assert.equal(blocked.blocker, 'job 2, after which it comes, failed');
      const replay = { key: 'k', requestSha256: 'a'.repeat(64) };
      const once = await acceptAfter(store, [second], { idempotency: replay });
      await store.removeJob({ id: second.id, actor: 'ann' });
      const { job, replayed } = await store.acceptJob(newJob({ after: [second.id], idempotency: replay }));
      assert.deepEqual([job.id, replayed], [once.id, true], 'a repetition finds it, whatever became of the other');
    }));

  for (const [end, words] of [
    ['fail', 'failed'],
    ['time_out', 'timed out'],
    ['cancel', 'was cancelled'],
  ] as const) {
    it(`blocks who waits for a job that ${words}, and nobody behind that`, () =>
      withStore(open, async ({ store }) => {
        const second = await acceptAfter(store, [await accept(store)]);
        const third = await acceptAfter(store, [second]);
        const { id, fence } = await claimNext(store);
        const before = await store.getLastSeq();
        await store.moveJob({ id, transition: end, fence, actor: 'owner' });
        assert.deepEqual(await listKinds(store, before), [`job.${end}`, 'job.block']);
        assert.deepEqual(await told(store, second), ['blocked', 'dependency_failed', [1], null]);
        assert.equal((await reload(store, second)).blocker, `job 1, after which it comes, ${words}`);
        assert.deepEqual(await told(store, third), ['waiting', null, [2], null]);
      }));
  }

  it('waits for what was handed off, pushed or not, and not for what a person must look at', () =>
    withStore(open, async ({ store }) => {
      const full = { pipeline: 'full' } as const;
      const jobs = [await accept(store, full), await accept(store, full), await accept(store, full)];
      const waiting = await acceptAfter(store, jobs);
      await endNext(store, { transition: 'hand_off' });
      await endNext(store, { transition: 'hand_off', set: { reason: 'push_failed', blocker: 'no route' } });
      await endNext(store, { transition: 'hand_off', set: { reason: 'manual_review', blocker: 'look' } });
      assert.deepEqual(await told(store, waiting), ['waiting', null, [3], null]);
      const [, , third] = jobs as [Job, Job, Job];
      await operate(store, third, 'retry');
      assert.deepEqual(await told(store, waiting), ['waiting', null, [3], null]);
      await endNext(store, { transition: 'hand_off' });
      assert.equal((await reload(store, waiting)).state, 'queued');
    }));

  it('goes on waiting for one that is held, frozen, blocked or quarantined', () =>
    withStore(open, async ({ store }) => {
      const held = await accept(store, { start: false });
      const job = await acceptAfter(store, [held]);
      const steps: (() => Promise<unknown>)[] = [
        () => store.freezeJob({ id: held.id, frozen: true, actor: 'ann' }),
        () => operate(store, held, 'start'),
        () => store.moveJob({ id: held.id, transition: 'block', fence: null, actor: 'x', set: WHY }),
        () => operate(store, held, 'retry'),
        () => store.moveJob({ id: held.id, transition: 'quarantine', fence: null, actor: 'x', set: WHY }),
      ];
      for (const step of steps) {
        await step();
        assert.deepEqual(await told(store, job), ['waiting', null, [1], null]);
      }
      const [dependency] = await store.listDependencies([held.id]);
      assert.deepEqual(dependency, { id: held.id, number: 1, state: 'quarantined', reason: WHY.reason, frozen: true });
    }));

  it('begins to wait when it is started, and goes without waiting when it is started again', () =>
    withStore(open, async ({ store }) => {
      const [first, second] = [await accept(store), await accept(store)];
      const job = await acceptAfter(store, [first, second], { start: false });
      assert.deepEqual(await told(store, job), ['created', null, [1, 2], null]);
      await completeNext(store);
      assert.deepEqual(await told(store, job), ['created', null, [2], null], 'what ended well is not asked again');
      await store.removeJob({ id: first.id, actor: 'ann' });
      const before = await store.getLastSeq();
      assert.equal((await operate(store, job, 'start')).state, 'waiting');
      assert.deepEqual(await listKinds(store, before), ['job.wait']);
      assert.equal((await operate(store, job, 'start')).state, 'queued');
      assert.deepEqual(await told(store, job), ['queued', null, [], 3]);
      await completeNext(store);
      assert.deepEqual(await told(store, job), ['queued', null, [], 3], 'nobody waits for it any more');
      const late = await acceptAfter(store, [job], { start: false });
      await store.requestCancel(job.id, 'ann');
      assert.equal((await operate(store, late, 'start')).state, 'blocked');
      assert.equal((await reload(store, late)).blocker, 'job 3, after which it comes, was cancelled');
    }));

  it('keeps its flag through the wait: frozen, it gets its place and is not claimed', () =>
    withStore(open, async ({ store }) => {
      const first = await accept(store);
      const job = await acceptAfter(store, [first]);
      await store.freezeJob({ id: job.id, frozen: true, actor: 'ann' });
      await completeNext(store);
      assert.equal((await reload(store, job)).state, 'queued');
      assert.deepEqual(await claim(store), []);
      await store.freezeJob({ id: job.id, frozen: false, actor: 'ann' });
      assert.deepEqual(await claim(store), [2]);
    }));

  it('retried, waits for those that live and goes without those that failed or are gone', () =>
    withStore(open, async ({ store }) => {
      const jobs = [await accept(store), await accept(store), await accept(store), await accept(store)];
      const [failed, gone, met] = jobs as [Job, Job, Job, Job];
      const job = await acceptAfter(store, jobs);
      await store.requestCancel(failed.id, 'ann');
      assert.deepEqual(await told(store, job), ['blocked', 'dependency_failed', [1, 2, 3, 4], null]);
      await store.requestCancel(gone.id, 'ann');
      await store.removeJob({ id: gone.id, actor: 'ann' });
      assert.equal((await completeNext(store)).id, met.id);
      const before = await store.getLastSeq();
      const again = await operate(store, job, 'retry');
      assert.deepEqual(await listKinds(store, before), ['job.wait']);
      assert.deepEqual([again.state, again.epoch, again.reason, again.blocker], ['waiting', 2, null, null]);
      assert.deepEqual(await told(store, job), ['waiting', null, [4], null]);
      await store.requestCancel(job.id, 'ann');
      assert.deepEqual(await told(store, await operate(store, job, 'retry')), ['waiting', null, [4], null]);
      await completeNext(store);
      assert.deepEqual(await told(store, job), ['queued', null, [], 5]);
      const alone = await acceptAfter(store, [failed]);
      assert.deepEqual(await told(store, await operate(store, alone, 'retry')), ['queued', null, [], 6]);
      assert.deepEqual((await store.checkDeep()).corrupt, []);
    }));

  it('knows no fixup of what has not begun', () =>
    withStore(open, async ({ store }) => {
      const first = await accept(store);
      const job = await acceptAfter(store, [first], { pipeline: 'full' });
      await store.requestCancel(first.id, 'ann');
      await rejectsWith('state-conflict', operate(store, job, 'fixup'));
      assert.equal((await operate(store, job, 'retry')).state, 'queued');
    }));

  it('is blocked when one it waits for is removed', () =>
    withStore(open, async ({ store }) => {
      const first = await accept(store, { pipeline: 'full' });
      const job = await acceptAfter(store, [first]);
      await endNext(store, { transition: 'hand_off', set: { reason: 'manual_review', blocker: 'look' } });
      await store.removeJob({ id: first.id, actor: 'ann' });
      assert.deepEqual(await told(store, job), ['blocked', 'dependency_failed', [1], null]);
      assert.equal((await reload(store, job)).blocker, 'job 1, after which it comes, was removed');
      assert.deepEqual((await store.checkDeep()).corrupt, []);
    }));

  it('released from quarantine, waits again or learns what failed meanwhile', () =>
    withStore(open, async ({ store }) => {
      const [first, second] = [await accept(store), await accept(store)];
      const jobs = [await acceptAfter(store, [first]), await acceptAfter(store, [second])] as const;
      for (const { id } of jobs)
        await store.moveJob({ id, transition: 'quarantine', fence: null, actor: 'x', set: WHY });
      await store.requestCancel(second.id, 'ann');
      assert.equal((await store.releaseJob(jobs[0].id, 'ann')).state, 'waiting');
      assert.deepEqual(await told(store, jobs[0]), ['waiting', null, [1], null]);
      await store.releaseJob(jobs[1].id, 'ann');
      assert.deepEqual(await told(store, jobs[1]), ['blocked', 'dependency_failed', [2], null]);
    }));

  it('does not forget that one ended well which is reopened later', () =>
    withStore(open, async ({ store }) => {
      const full = { pipeline: 'full' } as const;
      const [first, second] = [await accept(store, full), await accept(store)];
      const job = await acceptAfter(store, [first, second]);
      await endNext(store, { transition: 'hand_off' });
      await operate(store, first, 'fixup');
      await completeNext(store);
      assert.equal((await reload(store, job)).state, 'queued');
      await endNext(store, { transition: 'fail', set: { reason: 'exit_code' } });
      assert.equal((await reload(store, job)).state, 'queued');
    }));

  it('holds up nobody whose paths overlap, and is held up by nobody but those it names', () =>
    withStore(open, async ({ store }) => {
      const scope = { pipeline: 'full', surface: ['src/**'] } as const;
      const first = await accept(store, scope);
      await acceptAfter(store, [first], { ...scope, priority: 9 });
      await accept(store, scope);
      assert.deepEqual(await claim(store), [1]);
      const { job } = await store.intendAttempt(newAttempt(await reload(store, first)));
      await store.moveJob({ id: first.id, transition: 'hand_off', fence: job.fence, actor: 'owner' });
      assert.deepEqual(await claim(store), [2], 'it has its place and goes by its priority');
      const [second] = await store.listActiveJobs();
      assert.ok(second !== undefined);
      await store.moveJob({ id: second.id, transition: 'hand_off', fence: second.fence, actor: 'owner' });
      assert.deepEqual(await claim(store), [3]);
    }));

  it('lets every job of a long chain begin, one after the other', () =>
    withStore(open, async ({ store }) => {
      let last = await accept(store);
      for (let n = 0; n < 20; n++) last = await acceptAfter(store, [last], { priority: n });
      const order: number[] = [];
      for (let n = 0; n < 21; n++) order.push((await completeNext(store)).number);
      assert.deepEqual(
        order,
        Array.from({ length: 21 }, (_, n) => n + 1),
      );
      assert.deepEqual(await claim(store), []);
    }));
}
