/** Many agents at once: all are reattached, each is the process it was, and none has a second one. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { until } from '../support/poll.ts';
import { readStarts, testifying } from '../support/testimony.ts';
import { World } from '../support/world.ts';
import { checkInvariants } from './invariants.ts';
import { isFull } from './size.ts';

const AGENTS = isFull ? 100 : 8;

test(`${AGENTS} live agents survive the server`, { timeout: 600_000 }, async () => {
  await using world = await World.create();
  await world.configure({ limits: { agentsPerHost: AGENTS } });
  await world.start();
  await world.register({ limits: { concurrency: AGENTS } });
  const script = testifying('say on; while [ ! -e "$WITNESS/stop" ]; do sleep 1; done; exit 9');
  const ids: string[] = [];
  for (let n = 0; n < AGENTS; n++) ids.push((await world.submitShell(script)).id);
  await until('all have started', async () => (await readStarts(world)).length === AGENTS, { deadlineMs: 300_000 });
  await until('all are recorded', async () => (await recordedAgents(world, ids)).every((pid) => pid !== undefined));
  const before = await recordedAgents(world, ids);

  await world.kill();
  await world.start();
  const report = await world.readReport();
  assert.deepEqual(
    report.jobs.map((found) => [found.id, found.outcome, found.worker?.alive]),
    ids.map((id) => [id, 'reattached', true]),
  );
  assert.deepEqual(
    report.jobs.map((found) => found.worker?.pid),
    before,
  );
  const witnessed = new Map((await readStarts(world)).map((start) => [start.job, start.pid]));
  assert.deepEqual(
    ids.map((id) => witnessed.get(id)),
    before,
  );
  await writeFile(join(world.witness, 'stop'), '');
  for (const id of ids) assert.equal((await world.awaitState(id, 'failed', 'completed')).exitCode, 9);
  assert.equal((await readStarts(world)).length, AGENTS);
  await checkInvariants(world);
});

async function recordedAgents(world: World, ids: readonly string[]): Promise<(number | undefined)[]> {
  const pids: (number | undefined)[] = [];
  for (const id of ids) pids.push((await world.getAttempts(id))[0]?.agent?.pid);
  return pids;
}
