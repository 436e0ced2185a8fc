/**
 * Jobs of one repository that wait together share one fetch, whoever dies in it: the next one takes over, the order of
 * the queue is kept, and nobody asks the source twice.
 */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { awaitGit, findOperation, hangSource } from '../support/hang.ts';
import { until } from '../support/poll.ts';
import { git } from '../support/repository.ts';
import { readStarts, testifying } from '../support/testimony.ts';
import { World, type JobView } from '../support/world.ts';
import { checkInvariants } from './invariants.ts';
import { choose } from './size.ts';
import { readStoppedHome } from './stopped-home.ts';

const MEMBERS = 8;

test('a leader killed in the middle of its fetch leaves nobody stuck', { timeout: 180_000 }, async () => {
  await using world = await World.create();
  await world.configure({ limits: { agentsPerHost: MEMBERS } });
  await world.start();
  await world.register({ limits: { concurrency: MEMBERS } });
  await world.awaitState((await world.submitShell(testifying('say first'))).id, 'completed');
  const unhang = hangSource(world.repository);
  const jobs: JobView[] = [];
  for (let n = 1; n <= MEMBERS; n++) jobs.push(await world.submitShell(testifying(`say ${n}; cat news.txt`)));
  const [leader] = jobs;
  assert.ok(leader !== undefined);
  await awaitGit(world, leader);
  await until('all are claimed', async () => (await readPhases(world, jobs)).every((phase) => phase !== null));
  assert.deepEqual(await readPhases(world, jobs), ['preparing', ...Array<string>(MEMBERS - 1).fill('waiting')]);
  const second = await world.getJob(jobs[1]?.id ?? '');
  assert.deepEqual(
    second.waitingFor.map(({ what }) => what),
    second.state === 'preparing' ? ['lock:repo:demo'] : [],
  );
  const left = findOperation(leader);
  await world.kill();
  await unhang();
  // What every member must get: it was there when the surviving fetch began.
  await writeFile(join(world.repository, 'news.txt'), 'new\n');
  await git(world.repository, 'add', '-A');
  await git(world.repository, 'commit', '-q', '-m', 'news');

  await world.start();
  // Its own git may be at work for the leader by now.
  const now = findOperation(leader);
  assert.ok(
    left.length > 0 && left.every((one) => !now.some((other) => isDeepStrictEqual(one, other))),
    'git of the dead server lives on',
  );
  for (const job of jobs) await world.awaitState(job.id, 'completed');
  for (const [index, job] of jobs.entries()) assert.equal(await world.readOutput(job.id), `${index + 1}\nnew\n`);
  assert.deepEqual(await readFetches(world), { fetched: 1, shared: MEMBERS - 1 });
  await checkInvariants(world);
  await checkBatches(world, jobs);
});

for (const { point, again } of choose([
  { point: 'mirror.after-fetch', again: 1, always: false },
  { point: 'mirror.after-batch', again: 0, always: true },
])) {
  test(`killed at ${point}: ${again} more fetch for all who wait`, { timeout: 180_000 }, async () => {
    await using world = await World.create();
    await world.configure({ limits: { agentsPerHost: 1 } });
    await world.start();
    await world.register();
    const first = await world.submitShell(testifying('while [ ! -e "$WITNESS/go" ]; do sleep 0.05; done'));
    await until('the first runs', async () => (await readStarts(world, first.id)).length === 1);
    const jobs: JobView[] = [];
    for (let n = 1; n <= MEMBERS; n++) jobs.push(await world.submitShell(testifying(`say ${n}`)));
    await world.kill();
    await world.start({ failpoints: `${point}:crash` });
    await writeFile(join(world.witness, 'go'), '');
    assert.equal((await world.awaitEnd()).signal, 'SIGKILL', await world.readLog());
    // Nobody may need the source any more once the fetch is recorded.
    const unhang = again === 0 ? hangSource(world.repository) : null;
    await world.start();
    for (const job of jobs) await world.awaitState(job.id, 'completed');
    await unhang?.();
    assert.deepEqual(await readFetches(world), { fetched: again, shared: MEMBERS - again });
    assert.deepEqual(
      (await readStarts(world)).map((one) => one.job),
      [first.id, ...jobs.map((job) => job.id)],
    );
    await checkInvariants(world);
    await checkBatches(world, jobs);
  });
}

/** One recorded fetch serves all of them; they were claimed in their order. */
async function checkBatches(world: World, jobs: readonly JobView[]): Promise<void> {
  const { events } = await readStoppedHome(world.home);
  const last = Math.max(...jobs.map((job) => job.queueSeq ?? 0));
  const serving = events.filter(({ kind, data }) => kind === 'batch.fetch' && Number(data['through']) >= last);
  assert.equal(serving.length, 1, JSON.stringify(serving));
  const ids = new Map(jobs.map((job, index) => [job.id, index]));
  const claims = events.filter(({ kind, jobId }) => kind === 'job.claim' && ids.has(jobId ?? ''));
  // The last claim of each: those of the dead server were taken back.
  const order = [...new Set(claims.map(({ jobId }) => jobId).toReversed())].toReversed();
  assert.deepEqual(
    order,
    jobs.map((job) => job.id),
  );
}

async function readPhases(world: World, jobs: readonly JobView[]): Promise<(string | null)[]> {
  return Promise.all(jobs.map(async (job) => (await world.getJob(job.id)).phase));
}

async function readFetches(world: World): Promise<{ fetched: number; shared: number }> {
  const text = String((await world.api('GET', '/metrics')).body);
  const read = (how: string): number =>
    Number(new RegExp(`holdfast_fetches_total\\{how="${how}"\\} (\\d+)`).exec(text)?.[1]);
  return { fetched: read('fetched'), shared: read('shared') };
}
