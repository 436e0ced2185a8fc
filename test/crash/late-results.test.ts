/**
 * Results of owners that are none any more: of an attempt that was interrupted, of a round that an operator closed, of a
 * claim nobody was given. They are said to the store itself, as a server would that does not know yet that it lost its
 * home, while the agent of the newest attempt works under its keeper.
 */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { GatePageView } from '../../src/api/contract.ts';
import { isAlive } from '../../src/keeper/host-identity.ts';
import { endProcesses } from '../../src/keeper/processes.ts';
import { isError } from '../../src/kernel/errors.ts';
import type { Attempt } from '../../src/lifecycle/attempt.ts';
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import type { JobMove, Store } from '../../src/store/store.ts';
import { run } from '../e2e/command.ts';
import { until } from '../support/poll.ts';
import { readStarts, testifying } from '../support/testimony.ts';
import { World, type JobView } from '../support/world.ts';
import { checkInvariants } from './invariants.ts';

/** Lets somebody write to the store of a world whose server is dead. */
async function writeTo(world: World, write: (store: Store) => Promise<void>): Promise<void> {
  const store = openSqliteStore({ path: world.home.database });
  await store.start();
  try {
    await write(store);
  } finally {
    await store.stop();
  }
}

/** Says three times how an attempt ended, which must be refused. */
async function say(
  store: Store,
  attempt: Pick<Attempt, 'id' | 'jobId' | 'fence'>,
  { exitCode = 0, ...move }: Partial<JobMove> & { exitCode?: number } = {},
): Promise<void> {
  const owner = { fence: attempt.fence, actor: 'attempts' } as const;
  for (let n = 0; n < 3; n++) {
    const said = store.settleAttempt(
      { id: attempt.id, transition: 'finish', set: { exitCode, verdict: 'FINISHED' }, ...owner },
      { id: attempt.jobId, transition: 'complete', ...owner, ...move },
    );
    const refusal = await said.then(
      () => null,
      (error: unknown) => error,
    );
    assert.ok(isError(refusal, 'fenced') || isError(refusal, 'state-conflict'), `it was taken: ${String(refusal)}`);
  }
}

/** What was refused of a job: word, result, epoch and attempt, by these. */
async function refusalsOf(world: World, job: JobView): Promise<unknown[]> {
  const { refusals } = (await world.api('GET', `/v1/jobs/${job.id}/gates`)).body as GatePageView;
  const told = refusals.map(({ word, result, epoch, attempt }) => [word, result, epoch, attempt]);
  return told.toSorted((a, b) => String(a).localeCompare(String(b)));
}

/** Kills the server and everything of the newest attempt of a job. */
async function killAll(world: World, job: JobView): Promise<void> {
  await world.kill();
  const known = (await world.listAttempts()).filter((one) => one.job === job.id);
  const keepers = known.flatMap((one) => (one.keeper === null ? [] : [one.keeper]));
  await endProcesses(({ attempts }) => [
    ...keepers.filter(isAlive),
    ...known.flatMap((one) => attempts.get(one.id) ?? []),
  ]);
}

test(
  'what an owner says that is none any more is refused, has no effect and is on record once',
  { timeout: 240_000 },
  async () => {
    await using world = await World.create();
    await world.start();
    await world.register();
    const script = `while [ ! -e "$WITNESS/stop" ]; do sleep 0.1; done
      echo "$HOLDFAST_ATTEMPT" > answer; git add answer; git commit -q -m work`;
    const job = await world.submitShell(testifying(script), { pipeline: 'full' });
    const works = (times: number): Promise<unknown> =>
      until('it works', async () => (await readStarts(world, job.id)).length === times);
    await works(1);
    await killAll(world, job);
    await world.start();
    await works(2);
    await world.kill();
    await writeTo(world, async (store) => {
      const [first, second] = await store.listAttempts(job.id);
      assert.ok(first !== undefined && second !== undefined && second.fence > first.fence);
      await say(store, first);
      const stranger = { ...second, fence: second.fence + 5 };
      await say(store, stranger);
      const before = await store.getJob(job.id);
      assert.deepEqual([before?.state, before?.fence, before?.attempts], ['running', second.fence, 2]);
    });
    await world.start();
    assert.equal((await world.getJob(job.id)).state, 'running');
    assert.deepEqual(await refusalsOf(world, job), [
      ['late', 'completion', 1, 1],
      ['unauthorised', 'completion', 1, 2],
    ]);
    await writeFile(join(world.witness, 'stop'), '');
    const done = await world.awaitState(job.id, 'ready', 'blocked', 'failed');
    assert.deepEqual([done.state, done.reason, done.attempts], ['ready', 'manual_review', 2]);
    assert.equal((await readStarts(world, job.id)).length, 2);

    const fixup = await world.api('POST', `/v1/jobs/${job.id}/fixup`);
    assert.equal(fixup.status, 200, JSON.stringify(fixup.body));
    await world.awaitState(job.id, 'ready');
    await world.kill();
    await writeTo(world, async (store) => {
      const [, second, third] = await store.listAttempts(job.id);
      assert.ok(second !== undefined && third !== undefined && third.epoch > second.epoch);
      await say(store, second, { transition: 'advance', set: { stage: 'handoff' } });
      const reports = await store.listEvidence(job.id);
      const before = await store.getJob(job.id);
      const handOff = { id: job.id, transition: 'hand_off', actor: 'attempts' } as const;
      for (const fence of [second.fence, before?.fence ?? 0]) {
        const refused = await store.moveJob({ ...handOff, fence }).catch((error: unknown) => error);
        assert.ok(isError(refused), 'the hand-off was taken again');
      }
      assert.deepEqual([await store.getJob(job.id), await store.listEvidence(job.id)], [before, reports]);
    });
    await world.start();
    assert.deepEqual(await refusalsOf(world, job), [
      ['duplicate', 'hand-off', 4, null],
      ['late', 'commit', 1, 2],
      ['late', 'completion', 1, 1],
      ['late', 'hand-off', 4, null],
      ['unauthorised', 'completion', 1, 2],
    ]);
    const shown = await run(world, ['show', '1']);
    assert.match(shown.stdout, /REFUSED +RESULT[^\n]*\n/);
    assert.match(shown.stdout, /late +commit +1 +2 .*advance finish under claim/);
    await checkInvariants(world);
  },
);

test('a verdict of an earlier round, or of nobody who was asked, passes nothing and is on record', async () => {
  await using world = await World.create();
  await world.start();
  const reviewedBy = (verdict: object): object => {
    const instructions = JSON.stringify({ steps: [], tasks: { review: [[{ verdict }]] } });
    return { pipeline: { reviewers: [{ name: 'strict', agent: 'scripted', instructions }] } };
  };
  await world.register({ ...reviewedBy({ score: 90, epoch: 1 }) });
  const steps = [{ write: { path: 'answer', content: 'good' } }, { commit: 'work' }];
  const job = await world.submit({ prompt: JSON.stringify({ steps }), agent: 'scripted', pipeline: 'full' });
  await world.awaitState(job.id, 'blocked', 'ready');
  const other = await world.api('PATCH', '/v1/repositories/demo', reviewedBy({ score: 90, nonce: 'of another' }));
  assert.equal(other.status, 200, JSON.stringify(other.body));
  await world.api('POST', `/v1/jobs/${job.id}/retry`);
  await until('it was asked again', async () => (await world.getAttempts(job.id)).length === 3);
  const end = await world.awaitState(job.id, 'blocked', 'ready');
  assert.deepEqual([end.state, end.reason], ['blocked', 'gate_blocked']);
  assert.deepEqual(await refusalsOf(world, job), [
    ['late', 'verdict', 2, 2],
    ['unauthorised', 'verdict', 3, 3],
  ]);
  await checkInvariants(world);
});
