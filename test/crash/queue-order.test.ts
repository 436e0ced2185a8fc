/** A queue behind a job that blocks it: order, places and held jobs are the same after every crash. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { until } from '../support/poll.ts';
import { countMostAlive, readStarts, testifying } from '../support/testimony.ts';
import { World, type JobView } from '../support/world.ts';
import { checkInvariants } from './invariants.ts';

const WAITING = 8;

test('eight jobs wait behind a blocking one; held ones stay held', { timeout: 180_000 }, async () => {
  await using world = await World.create();
  await world.configure({ limits: { agentsPerHost: 1 } });
  await world.start();
  await world.register();
  const first = await world.submitShell(testifying('while [ ! -e "$WITNESS/go" ]; do sleep 0.05; done'));
  await until('the first runs', async () => (await readStarts(world, first.id)).length === 1);
  const { waiting, held } = await fillQueue(world);
  const before = await readQueue(world);
  // Priority first, acceptance within it.
  const expected = [...waiting.filter((job) => job.priority === 5), ...waiting.filter((job) => job.priority === 0)];
  assert.deepEqual(before, expected.map(place));

  await world.kill();
  await world.start();
  assert.deepEqual(await readQueue(world), before);
  await checkHeld(world, held);

  await writeFile(join(world.witness, 'go'), '');
  await until('three of them ran', async () => (await readStarts(world)).length >= 4);
  await world.kill();
  await world.start();
  for (const job of waiting) await world.awaitState(job.id, 'completed');
  const starts = (await readStarts(world)).map((one) => one.job);
  assert.deepEqual(starts, [first.id, ...expected.map((job) => job.id)]);
  assert.equal(await countMostAlive(world), 1);
  await checkHeld(world, held);

  await startHeld(world, held);
  await checkInvariants(world);
});

type Queued = JobView & { priority: number };

async function fillQueue(world: World): Promise<{ waiting: Queued[]; held: JobView[] }> {
  const waiting: Queued[] = [];
  const held: JobView[] = [];
  for (let n = 1; n <= WAITING; n++) {
    const priority = n === 3 || n === 6 ? 5 : 0;
    waiting.push((await world.submitShell(testifying(`say ${n}; sleep 0.3`), { priority })) as Queued);
    if (n % 3 === 0) held.push(await world.submitShell(testifying(`say held ${n}`), { start: false }));
  }
  return { waiting, held };
}

function place(job: JobView, index: number): [string, number | null, number] {
  return [job.id, job.queueSeq, index + 1];
}

async function readQueue(world: World): Promise<[string, number | null, number | null][]> {
  const { items } = (await world.api('GET', '/v1/queue')).body as { items: JobView[] };
  return items.map((job) => [job.id, job.queueSeq, job.queuePosition]);
}

async function checkHeld(world: World, held: readonly JobView[]): Promise<void> {
  for (const job of held) {
    const now = await world.getJob(job.id);
    assert.deepEqual([now.state, now.queueSeq, now.attempts], ['created', null, 0]);
  }
}

/** A held job gets its place when it is started, not when it was sent. */
async function startHeld(world: World, held: readonly JobView[]): Promise<void> {
  const backwards = held.toReversed();
  for (const job of backwards) await world.api('POST', `/v1/jobs/${job.id}/start`);
  for (const job of held) await world.awaitState(job.id, 'completed');
  const starts = (await readStarts(world)).map((one) => one.job);
  assert.deepEqual(
    starts.slice(-held.length),
    backwards.map((job) => job.id),
  );
}
