/** Every command of an operator in every state of a job: it is carried out, or refused with the ones that would be. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Job } from '../lifecycle/job.ts';
import { JOB_COMMANDS, type JobCommand } from '../lifecycle/legal-commands.ts';
import { NOTHING_SPENT } from '../lifecycle/stage.ts';
import { JOB_STATES, type JobState, type JobTransition } from '../lifecycle/transitions.ts';
import { asProblem, makeServer, submit, work, type Answer, type Running } from './api.fixture.ts';
import type { EventView, JobView, PageView } from './contract.ts';

/** What a job takes; `fixup` only one of the whole pipeline. */
const LEGAL: Record<JobState, string> = {
  created: 'start cancel freeze',
  waiting: 'start cancel freeze',
  queued: 'cancel freeze',
  preparing: 'cancel freeze',
  running: 'cancel freeze',
  blocked: 'cancel retry fixup freeze checkout apply',
  quarantined: 'cancel freeze',
  ready: 'fixup remove checkout apply',
  completed: 'remove checkout apply',
  failed: 'retry fixup remove checkout apply',
  cancelled: 'retry remove checkout apply',
  timed_out: 'retry fixup remove checkout apply',
};

/** Takes a job of the pipeline `full` into a state, by the store's own doors. */
async function makeJob(running: Running, state: JobState, pipeline: 'full' | 'implement' = 'full'): Promise<string> {
  const { store, services } = running;
  const after = state === 'waiting' ? { after: [(await submit(running, { start: false })).id] } : {};
  const { id } = await submit(running, { pipeline, start: state !== 'created', ...after });
  const move = async (transition: JobTransition, fence: number | null, set = {}): Promise<Job> =>
    store.moveJob({ id, transition, fence, actor: 'test', set });
  const claim = async (): Promise<number> => {
    const claimed = await store.claimJobs({ boot: services.bootId, hostLimit: 1000, max: 1000 });
    return claimed.find((job) => job.id === id)?.fence ?? assert.fail('it was not claimed');
  };
  const why = { reason: 'needs_human', blocker: 'look at it' } as const;
  if (state === 'preparing') await claim();
  if (state === 'running') await work(running, id);
  if (state === 'blocked') await move('block', null, why);
  if (state === 'quarantined') await move('quarantine', null, why);
  if (state === 'timed_out') await move('time_out', null);
  if (state === 'cancelled') await move('cancel', null);
  if (state === 'ready') await move('hand_off', await claim());
  if (state === 'completed') await move('complete', await claim());
  if (state === 'failed') await (await work(running, id)).finish('fail', 1);
  assert.equal((await store.getJob(id))?.state, state);
  return id;
}

function command(running: Running, id: string, name: JobCommand): Promise<Answer> {
  const path = `/v1/jobs/${id}`;
  if (name === 'remove') return running.call('DELETE', path);
  if (name === 'checkout') return running.call('GET', `${path}/bundle`);
  return name === 'apply' ? running.call('GET', `${path}/patch`) : running.call('POST', `${path}/${name}`);
}

test('every command in every state is carried out, or refused with those that would be', async () => {
  await using running = await makeServer();
  for (const state of JOB_STATES) {
    const legal = LEGAL[state].split(' ');
    for (const name of JOB_COMMANDS) {
      const id = await makeJob(running, state);
      const answer = await command(running, id, name);
      const where = `${name} of a ${state} job`;
      // Nothing is frozen: there is nothing to undo, and nobody is refused.
      if (legal.includes(name) || name === 'unfreeze') {
        assert.ok(answer.status >= 200 && answer.status < 300, `${where}: ${answer.status} ${answer.text}`);
        continue;
      }
      const { detail } = asProblem(answer, 409, 'state-conflict');
      assert.ok(detail.endsWith(`; what it takes now: ${legal.join(', ')}`), `${where}: ${detail}`);
      const job = await running.store.getJob(id);
      assert.deepEqual([job?.state, job?.cancelRequestedAt], [state, null], where);
    }
  }
});

test('a frozen job is told to be unfrozen, one without a pipeline knows no fixup', async () => {
  await using running = await makeServer();
  const frozen = await makeJob(running, 'queued');
  await command(running, frozen, 'freeze');
  const { detail } = asProblem(await command(running, frozen, 'start'), 409, 'state-conflict');
  assert.match(detail, /what it takes now: cancel, unfreeze$/);
  const plain = await makeJob(running, 'failed', 'implement');
  const refused = asProblem(await command(running, plain, 'fixup'), 409, 'state-conflict');
  assert.match(refused.detail, /no pipeline to be reopened; what it takes now: retry, remove, checkout, apply$/);
});

test('a merge that failed for good is reopened by fixup: into the implementation, a new epoch, nothing spent, on record', async () => {
  await using running = await makeServer();
  const { store } = running;
  const id = await makeJob(running, 'preparing');
  const { fence, step, epoch } = (await store.getJob(id)) ?? assert.fail();
  assert.ok(step !== null);
  const spent = { ...step.spent, merges: 3, fixRounds: 2, conflictFixes: 1 };
  const set = {
    stage: 'merge',
    step: { ...step, task: null, candidate: 'c'.repeat(40), spent },
    reason: 'merge_failed_final',
    blocker: 'three merges failed',
  } as const;
  await store.moveJob({ id, transition: 'block', fence, actor: 'test', set });
  const shown = (await running.call('GET', `/v1/jobs/${id}`)).json<JobView>();
  assert.deepEqual([shown.reason, shown.nextSafeAction], ['merge_failed_final', 'fixup']);
  assert.equal((await command(running, id, 'fixup')).status, 200);
  const job = (await store.getJob(id)) ?? assert.fail();
  assert.deepEqual([job.state, job.stage, job.epoch, job.reason], ['queued', 'implement', epoch + 1, null]);
  assert.deepEqual([job.step?.task, job.step?.candidate, job.step?.merge], ['fix', null, null]);
  assert.deepEqual(job.step?.spent, NOTHING_SPENT);
  const events = (await running.call('GET', `/v1/jobs/${id}/timeline`)).json<PageView<EventView>>();
  const fixup = events.items.find(({ kind }) => kind === 'job.fixup');
  assert.equal(fixup?.actor, 'local');
});
