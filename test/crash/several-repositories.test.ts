/** Jobs of several repositories: side by side, all places or none, no deadlock, and no trace of a half-made workspace. */
import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { until } from '../support/poll.ts';
import { readStarts, testifying } from '../support/testimony.ts';
import { World, type JobView } from '../support/world.ts';
import { checkInvariants } from './invariants.ts';
import { readStoppedHome } from './stopped-home.ts';

const SEVERAL = { repository: undefined };

test('two jobs that name the same repositories in opposite order both run', { timeout: 120_000 }, async () => {
  await using world = await World.create();
  await world.configure({ limits: { agentsPerHost: 8 } });
  await world.start();
  await world.register({ limits: { concurrency: 1 } });
  await world.registerAnother('lib', { limits: { concurrency: 1 } });
  const script = testifying('ls; pwd; echo changed >> demo/README.md; echo new > lib/new.txt; sleep 0.3');
  const jobs: JobView[] = [];
  for (let n = 0; n < 3; n++) {
    jobs.push(await world.submitShell(script, { ...SEVERAL, repositories: ['demo', 'lib'] }));
    jobs.push(await world.submitShell(script, { ...SEVERAL, repositories: ['lib', 'demo'] }));
  }
  await until('the first runs', async () => (await readStarts(world)).length === 1);
  const waiting = await world.getJob(jobs[1]?.id ?? '');
  assert.deepEqual(
    [waiting.state, waiting.phase, waiting.waitingFor.map(({ what }) => what)],
    ['queued', 'waiting', ['place:lib', 'place:demo']],
  );
  await world.kill();
  await world.start();
  for (const job of jobs) {
    const { workspace } = await world.awaitState(job.id, 'completed');
    assert.equal(await world.readOutput(job.id), `demo\nlib\n${workspace}\n`);
    const diff = String((await world.api('GET', `/v1/jobs/${job.id}/diff`)).body);
    assert.match(diff, /^diff --git a\/demo\/README\.md b\/demo\/README\.md$/m);
    assert.match(diff, /^\+\+\+ b\/lib\/new\.txt$/m);
  }
  assert.deepEqual(
    (await readStarts(world)).map((one) => one.job),
    jobs.map((job) => job.id),
  );
  await checkInvariants(world);
});

test('killed between two repositories: back in its old place, and whole in the end', { timeout: 120_000 }, async () => {
  await using world = await World.create();
  await world.start();
  await world.register();
  await world.registerAnother('demo.web');
  await world.kill();
  await world.start({ failpoints: 'workspace.after-part:crash' });
  // The name of one begins like that of the other: neither may be taken for the other's left-over.
  const job = await world.submitShell(testifying('cat demo/README.md demo.web/demo.web.md'), {
    ...SEVERAL,
    repositories: ['demo.web', 'demo'],
  });
  const { signal } = await world.awaitEnd();
  assert.equal(signal, 'SIGKILL', await world.readLog());
  const stopped = await readStoppedHome(world.home);
  assert.deepEqual(stopped.locks, [], 'a lock is held for one repository only while it is copied');
  await world.start({ failpoints: 'recovery.after-report:crash', waitReady: false });
  await world.awaitEnd();
  const home = await readStoppedHome(world.home);
  assert.deepEqual(
    home.queue.map((one) => [one.id, one.queueSeq, one.attempts]),
    [[job.id, job.queueSeq, 0]],
  );
  await world.start();
  await world.awaitState(job.id, 'completed');
  assert.equal(await world.readOutput(job.id), '# test\n# demo.web\n');
  assert.deepEqual(
    (await readdir(world.home.job(job.id))).filter((name) => name.startsWith('workspace.')),
    [],
  );
  await checkInvariants(world);
});

test(
  'an interrupted job of several repositories goes on in the trees as they stand',
  { timeout: 120_000 },
  async () => {
    await using world = await World.create();
    await world.start();
    await world.register();
    await world.registerAnother('lib');
    const script = testifying(`test -e "$WITNESS/again" && { cat lib/work.txt 2>/dev/null || say clean; exit 0; }
echo half > lib/work.txt; say working; while :; do sleep 0.1; done`);
    const job = await world.submitShell(script, { ...SEVERAL, repositories: ['demo', 'lib'] });
    await until('it works', async () => (await world.getJob(job.id)).outputBytes > 0);
    await writeFile(join(world.witness, 'again'), '');
    const [agent] = await readStarts(world, job.id);
    process.kill(agent?.pid ?? 0, 'SIGKILL');
    await world.awaitState(job.id, 'completed');
    // Agent exec restarts from scratch: from the trees it began with, while what it left is on a ref of each mirror.
    assert.equal(await world.readOutput(job.id), 'clean\n');
    for (const id of await readdir(world.home.repos)) {
      const refs = await readdir(join(world.home.mirror(id), 'refs', 'holdfast', job.id)).catch(() => []);
      assert.deepEqual(refs, ['attempt-1']);
    }
    await checkInvariants(world);
  },
);

test('single jobs pass a waiting one only so often', { timeout: 180_000 }, async () => {
  await using world = await World.create();
  await world.configure({ limits: { agentsPerHost: 8 } });
  await world.start();
  await world.register({ limits: { concurrency: 1 } });
  await world.registerAnother('lib', { limits: { concurrency: 1 } });
  const blocker = await world.submitShell(testifying('while [ ! -e "$WITNESS/go" ]; do sleep 0.05; done'), {
    repository: 'lib',
  });
  await until('lib is taken', async () => (await readStarts(world)).length === 1);
  const both = await world.submitShell(testifying('say both'), { ...SEVERAL, repositories: ['demo', 'lib'] });
  const singles: JobView[] = [];
  for (let n = 0; n < 8; n++) singles.push(await world.submitShell(testifying('say single')));
  await until('four have passed', async () => (await readStarts(world)).length === 5);
  await world.kill();
  await world.start();
  for (const job of singles.slice(0, 4)) await world.awaitState(job.id, 'completed');
  const next = await world.getJob(singles[4]?.id ?? '');
  assert.equal(next.state, 'queued', 'the place is kept');
  await writeFile(join(world.witness, 'go'), '');
  for (const job of [blocker, both, ...singles]) await world.awaitState(job.id, 'completed');
  const order = (await readStarts(world)).map((one) => one.job);
  assert.deepEqual(order, [blocker.id, ...[...singles.slice(0, 4), both, ...singles.slice(4)].map((job) => job.id)]);
  await checkInvariants(world);
});
