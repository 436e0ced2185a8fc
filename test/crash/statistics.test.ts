/**
 * Statistics through crashes: each ended job counts once, a stop keeps what was counted, and a file that is damaged is not
 * believed and holds nobody up.
 */
import assert from 'node:assert/strict';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import type { FailpointName } from '../../src/kernel/failpoints.ts';
import { readStatistics } from '../../src/statistics/statistics-file.ts';
import { until } from '../support/poll.ts';
import { World } from '../support/world.ts';
import { checkCounted, readCounted } from './check-statistics.ts';
import { checkInvariants } from './invariants.ts';

async function play(world: World, ...scripts: string[]): Promise<void> {
  const jobs = await Promise.all(scripts.map((script) => world.submitShell(script)));
  for (const { id } of jobs) await world.awaitState(id, 'completed', 'failed');
}

async function stopServer(world: World): Promise<void> {
  world.server?.child.kill('SIGTERM');
  await world.awaitEnd();
}

/** The numbers of the file, without what asking again changes. */
async function readFileCounts(world: World): Promise<unknown> {
  const reading = await readStatistics(world.home.statisticsFile);
  assert.ok(reading.kind === 'ok', reading.kind);
  return reading.state.groups.map(({ repository, agent, ended }) => ({ repository, agent, ended }));
}

test('a stop keeps what was counted, a kill loses and doubles nothing', { timeout: 240_000 }, async () => {
  await using world = await World.create();
  await world.start();
  await world.register();
  await play(world, 'true', 'exit 3');
  await checkCounted(world);
  await stopServer(world);
  const ended = { success: 1, failure: 1, cancelled: 0, timed_out: 0 };
  assert.deepEqual(await readFileCounts(world), [{ repository: 'demo', agent: 'exec', ended }]);
  await world.start();
  await play(world, 'true', 'true');
  await checkCounted(world);
  await world.kill();
  assert.deepEqual(await readFileCounts(world), [{ repository: 'demo', agent: 'exec', ended }]);
  await world.start();
  await checkCounted(world);
  const [{ stages } = assert.fail('nothing was counted')] = await readCounted(world);
  assert.equal(stages.running?.samples, 4);
  await stopServer(world);
  await checkInvariants(world);
});

for (const point of ['statistics.before-write', 'statistics.after-write'] satisfies FailpointName[]) {
  test(`killed at ${point}: nothing counts twice`, { timeout: 240_000 }, async () => {
    await using world = await World.create();
    await world.start({ failpoints: `${point}:crash` });
    await world.register();
    await play(world, 'true', 'exit 3');
    world.server?.child.kill('SIGTERM');
    assert.equal((await world.awaitEnd()).signal, 'SIGKILL');
    await world.start();
    await play(world, 'true');
    await checkCounted(world);
    await stopServer(world);
    await checkInvariants(world);
  });
}

test('a job whose end no server saw counts, its time does not', { timeout: 240_000 }, async () => {
  await using world = await World.create();
  await world.start();
  await world.register();
  const job = await world.submitShell('until [ -e "$WITNESS/go" ]; do sleep 0.05; done');
  await world.awaitState(job.id, 'running');
  await until('its agent runs', async () => (await world.listProcesses()).length > 1);
  await world.kill();
  await writeFile(`${world.witness}/go`, '');
  await until('everything of it is gone', async () => (await world.listProcesses()).length === 0);
  await world.start();
  await world.awaitState(job.id, 'completed');
  await checkCounted(world);
  const [{ ended, stages, leftOut } = assert.fail('nothing was counted')] = await readCounted(world);
  assert.equal(ended.success, 1);
  assert.deepEqual([stages.running, stages.whole, leftOut.downtime], [null, null, 1]);
  assert.equal(stages.waiting?.samples, 1);
});

test('a damaged file is set aside, told of, and counted anew behind the start', { timeout: 240_000 }, async () => {
  await using world = await World.create();
  await world.start();
  await world.register();
  await play(world, 'true', 'true');
  await stopServer(world);
  const path = world.home.statisticsFile;
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  const text = await readFile(path, 'utf8');
  assert.ok(text.includes('"success":2'), text);
  await writeFile(path, text.replace('"success":2', '"success":7'));
  await world.start();
  await checkCounted(world);
  assert.match(await readFile(`${path}.damaged`, 'utf8'), /"success":7/);
  const told = await until('the check of history names it', async () => {
    const { corruption } = await world.readReport();
    return corruption.complete ? (corruption.items ?? []) : null;
  });
  assert.deepEqual(
    told.map(({ kind, nextSafeAction }) => [kind, nextSafeAction]),
    [['statistics-file', 'inspect_quarantine']],
  );
  await stopServer(world);
  const ended = { success: 2, failure: 0, cancelled: 0, timed_out: 0 };
  assert.deepEqual(await readFileCounts(world), [{ repository: 'demo', agent: 'exec', ended }]);
});
