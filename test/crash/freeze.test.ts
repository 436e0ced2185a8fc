/** Freezing by command line: what runs goes on, nothing new begins, and no crash forgets it (Q4). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scanProcesses, signalProcess } from '../../src/keeper/processes.ts';
import { run } from '../e2e/command.ts';
import { until } from '../support/poll.ts';
import { World, type JobView } from '../support/world.ts';
import { checkInvariants } from './invariants.ts';

test('a frozen job begins nothing, through crashes, until it is unfrozen', { timeout: 120_000 }, async () => {
  await using world = await World.create();
  await world.configure({ limits: { agentsPerHost: 1 } });
  await world.start();
  await world.register();
  const running = await world.submitShell(`echo "$HOLDFAST_ATTEMPT" >> '${world.witness}/starts'; sleep 600`);
  const [attempt = ''] = await until('it runs', async () => {
    const starts = await world.readWitness('starts');
    return starts.length === 0 ? null : starts;
  });
  const waiting = await world.submitShell('true');
  const frozen = await run(world, ['freeze', String(running.number), String(waiting.number)]);
  assert.deepEqual(
    [frozen.code, frozen.stdout],
    [0, `job ${running.number} ● running, frozen\njob ${waiting.number} ◔ queued, frozen\n`],
    frozen.stderr,
  );
  const other = await world.submitShell('true');
  await world.kill();
  await world.start();
  assert.equal((await world.getJob(running.id)).state, 'running', 'what runs goes on');
  for (const one of scanProcesses().attempts.get(attempt) ?? []) signalProcess(one, 'SIGKILL');
  await world.awaitState(other.id, 'completed');
  const jobs: JobView[] = [await world.getJob(running.id), await world.getJob(waiting.id)];
  assert.deepEqual(
    jobs.map(({ state, attempts, nextSafeAction, waitingFor }) => [
      state,
      attempts,
      nextSafeAction,
      waitingFor[0]?.what,
    ]),
    [
      ['queued', 1, 'unfreeze', 'unfreeze'],
      ['queued', 0, 'unfreeze', 'unfreeze'],
    ],
  );
  assert.match((await run(world, ['show', String(waiting.number)])).stdout, /next +unfreeze: holdfast unfreeze 2\n/);
  assert.match((await run(world, ['queue'])).stdout, /unfreeze/);
  assert.equal((await run(world, ['freeze', String(other.number)])).code, 5, 'it has ended');
  assert.equal((await run(world, ['unfreeze', String(waiting.number)])).stdout, `job ${waiting.number} ◔ queued\n`);
  await world.awaitState(waiting.id, 'completed');
  assert.equal((await world.getJob(running.id)).attempts, 1);
  await run(world, ['cancel', String(running.number)]);
  await checkInvariants(world);
});
