/**
 * The clock is a year ahead, then a year behind: nothing expires by it. The shift is put into the server's process before
 * its first line runs, because setting the machine's clock would be felt by everybody; keepers and agents keep the
 * right time, so that both sides disagree by a year.
 */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { until } from '../support/poll.ts';
import { shifted, YEAR_MS } from '../support/shifted-clock.ts';
import { readCopy, readStarts, testifying } from '../support/testimony.ts';
import { World, type JobView } from '../support/world.ts';
import { checkInvariants } from './invariants.ts';

test('a clock that jumps by a year ends nothing', { timeout: 180_000 }, async () => {
  await using world = await World.create();
  await world.configure({ limits: { agentsPerHost: 1 } });
  await world.start();
  await world.register();
  const job = await world.submitShell(
    testifying('while [ ! -e "$WITNESS/stop" ]; do say on; sleep 0.05; done; exit 8'),
  );
  await until('it works', async () => (await world.getJob(job.id)).outputBytes > 0);
  const waiting = [await world.submitShell(testifying('say now'))];
  for (const years of [1, -1, 0]) {
    await world.kill();
    await world.start(shifted(years * YEAR_MS));
    await checkShift(world, years);
    await checkWorking(world, job);
    waiting.push(await world.submitShell(testifying(`say ${years}`)));
  }
  assert.match(await world.readLog(), /heartbeat dead, age 315\d{5}s/);
  assert.match(await world.readLog(), /heartbeat stale, age -315\d{5}s/);
  await writeFile(join(world.witness, 'stop'), '');
  const ended = await world.awaitState(job.id, 'failed', 'completed', 'timed_out');
  assert.deepEqual([ended.state, ended.exitCode, ended.attempts], ['failed', 8, 1]);
  const [start] = await readStarts(world, job.id);
  assert.equal(await world.readOutput(job.id), await readCopy(world, start?.attempt ?? ''));
  // What was accepted in other years runs in the order in which it was accepted.
  for (const one of waiting) await world.awaitState(one.id, 'completed');
  assert.deepEqual(
    (await readStarts(world)).map((one) => one.job),
    [job, ...waiting].map((one) => one.id),
  );
  await checkInvariants(world);
});

/** The server believes in its clock: else this test shows nothing. */
async function checkShift(world: World, years: number): Promise<void> {
  const { items } = (await world.api('GET', '/v1/recovery/boots')).body as { items: { startedAt: string }[] };
  const off = Date.parse(items[0]?.startedAt ?? '') - Date.now();
  assert.ok(Math.abs(off - years * YEAR_MS) < 3_600_000, `its clock is off by ${off} ms`);
  const { downSeconds } = await world.readReport();
  assert.ok(downSeconds === null || downSeconds >= 0);
}

/** Still the same agent, and still at work. */
async function checkWorking(world: World, job: JobView): Promise<void> {
  const finding = (await world.readReport()).jobs.find((one) => one.id === job.id);
  const [start, ...others] = await readStarts(world, job.id);
  assert.deepEqual([finding?.outcome, finding?.worker?.pid, others.length], ['reattached', start?.pid, 0]);
  const before = (await world.readOutput(job.id)).length;
  await until('it prints', async () => (await world.readOutput(job.id)).length > before);
  assert.equal((await world.getJob(job.id)).state, 'running');
}
