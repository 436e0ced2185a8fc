/**
 * The server dies after it claimed a job and before an agent was started: the job is back in its old place, nothing
 * counts as failed, and in the end each job ran exactly once.
 */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { FailpointName } from '../../src/kernel/failpoints.ts';
import { until } from '../support/poll.ts';
import { readCopy, readStarts, testifying } from '../support/testimony.ts';
import { World, type JobView } from '../support/world.ts';
import { checkInvariants } from './invariants.ts';
import { choose } from './size.ts';
import { readStoppedHome } from './stopped-home.ts';

interface Window {
  point: FailpointName;
  /** Attempts recorded in the window: each is given up without ever having run. */
  intended: 0 | 1;
  always: boolean;
}

const WINDOWS: readonly Window[] = [
  { point: 'attempt.after-claim', intended: 0, always: false },
  { point: 'attempt.after-workspace', intended: 0, always: true },
  { point: 'attempt.after-intent', intended: 1, always: false },
  { point: 'attempt.after-spec', intended: 1, always: false },
];

for (const window of choose(WINDOWS)) {
  test(`killed at ${window.point}: back in its old place`, { timeout: 180_000 }, async () => {
    await using world = await World.create();
    await world.configure({ limits: { agentsPerHost: 1 } });
    await world.start();
    await world.register();
    const first = await world.submitShell(testifying('while [ ! -e "$WITNESS/go" ]; do sleep 0.05; done'));
    await until('the first runs', async () => (await readStarts(world, first.id)).length === 1);
    const waiting: JobView[] = [];
    for (let n = 1; n <= 3; n++) waiting.push(await world.submitShell(testifying(`say ${n}`)));
    await world.kill();

    await world.start({ failpoints: `${window.point}:crash` });
    await writeFile(join(world.witness, 'go'), '');
    await awaitCrash(world);
    // Dies as soon as it has recovered, before it may claim again: what it made of the queue can be read.
    await world.start({ failpoints: 'recovery.after-report:crash', waitReady: false });
    await awaitCrash(world);
    await checkBackInPlace(world, waiting, window);

    await world.start();
    for (const job of waiting) await world.awaitState(job.id, 'completed');
    await checkRanOnce(world, [first, ...waiting], window);
    await checkInvariants(world);
  });
}

async function awaitCrash(world: World): Promise<void> {
  const { signal } = await world.awaitEnd();
  assert.equal(signal, 'SIGKILL', await world.readLog());
}

async function checkBackInPlace(world: World, waiting: readonly JobView[], window: Window): Promise<void> {
  const home = await readStoppedHome(world.home);
  assert.deepEqual(
    home.queue.map((job) => [job.id, job.queueSeq]),
    waiting.map((job) => [job.id, job.queueSeq]),
  );
  const [claimed] = home.queue;
  assert.deepEqual([claimed?.reason, claimed?.blocker, claimed?.epoch, claimed?.fence], [null, null, 1, 1]);
  const attempts = home.attempts.get(claimed?.id ?? '') ?? [];
  assert.deepEqual(
    attempts.map((one) => [one.state, one.verdict]),
    Array.from({ length: window.intended }, () => ['never_ran', 'SEALED']),
  );
  const found = home.boots[0]?.report?.jobs.map((one) => [one.id, one.outcome]);
  assert.deepEqual(found, [[claimed?.id, 'requeued']]);
}

async function checkRanOnce(world: World, jobs: readonly JobView[], window: Window): Promise<void> {
  const starts = await readStarts(world);
  assert.deepEqual(
    starts.map((one) => one.job),
    jobs.map((job) => job.id),
  );
  const [, claimed] = jobs;
  for (const { job, attempt } of starts) {
    const view = await world.getJob(job);
    assert.deepEqual([view.state, view.exitCode], ['completed', 0]);
    assert.equal(view.attempts, job === claimed?.id ? 1 + window.intended : 1);
    assert.equal(await world.readOutput(job), await readCopy(world, attempt));
  }
}
