import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readProcess } from '../../src/keeper/host-identity.ts';
import { signalProcess } from '../../src/keeper/processes.ts';
import { until } from '../support/poll.ts';
import { readStarts, testifying } from '../support/testimony.ts';
import { World } from '../support/world.ts';
import { checkInvariants } from './invariants.ts';

/** A keeper that hangs in its last steps holds up its own job and nothing else. */
test('a keeper stopped after its exit record does not hold up the start', { timeout: 120_000 }, async () => {
  await using world = await World.create();
  await world.start({ failpoints: 'keeper.after-exit-record:stop' });
  await world.register();
  const job = await world.submitShell(testifying('say done; exit 3'));
  const [attempt] = await until('it has a keeper', async () => {
    const known = await world.listAttempts();
    return known[0]?.keeper === undefined || known[0].keeper === null ? null : known;
  });
  const keeper = attempt?.keeper;
  assert.ok(keeper !== undefined && keeper !== null);
  await until('the keeper is stopped', () => readProcess(keeper.pid)?.state === 'T');
  await world.kill();
  await world.start();
  const finding = (await world.readReport()).jobs[0];
  assert.deepEqual([finding?.verdict, finding?.outcome], ['ENDING', 'reattached']);
  const next = await world.submitShell(testifying('say other'));
  await world.awaitState(next.id, 'completed');
  assert.equal((await world.getJob(job.id)).state, 'running');
  signalProcess(keeper, 'SIGCONT');
  const ended = await world.awaitState(job.id, 'failed', 'completed');
  assert.deepEqual([ended.exitCode, ended.attempts, (await readStarts(world, job.id)).length], [3, 1, 1]);
  await checkInvariants(world);
});
