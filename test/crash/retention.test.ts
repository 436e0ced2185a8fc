/** What goes by age: only what has ended, only what is saved, only by time that passed; and it comes back. */
import assert from 'node:assert/strict';
import { mkdir, readFile, readdir, rename, symlink, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { exists } from '../../src/workspace/remove-tree.ts';
import { until } from '../support/poll.ts';
import { git } from '../support/repository.ts';
import { shifted, YEAR_MS } from '../support/shifted-clock.ts';
import { World, type JobView } from '../support/world.ts';
import { checkInvariants } from './invariants.ts';
import { assertLetters, BOTH, hasLetters, letters } from './letters.ts';
import { ageUntilDeath, checkBack } from './retention-occasion.ts';

const AT_ONCE = { retention: { workspaces: 1 } };
const NEVER = { retention: { workspaces: 'never', jobs: 'never' } };

interface Kept extends JobView {
  workspaceRemovedAt: string | null;
  workspaceKeptUntil: string | null;
  keptUntil: string | null;
}

async function get(world: World, job: { id: string }): Promise<Kept> {
  return (await world.getJob(job.id)) as Kept;
}

async function awaitRetired(world: World, job: { id: string }): Promise<void> {
  await until('its workspace is gone', async () => {
    const { workspaceRemovedAt, workspaceKeptUntil } = await get(world, job);
    return workspaceRemovedAt !== null && workspaceKeptUntil === null;
  });
  assert.equal(await exists(world.home.workspace(job.id)), false);
}

async function readDoctor(world: World): Promise<{ level: string; detail: string }> {
  const { checks } = (await world.api('GET', '/v1/doctor')).body as {
    checks: { name: string; level: string; detail: string }[];
  };
  const found = checks.find(({ name }) => name === 'retention');
  assert.ok(found !== undefined);
  return found;
}

async function readMetric(world: World, name: string): Promise<number> {
  const line = String((await world.api('GET', '/metrics')).body)
    .split('\n')
    .find((one) => one.startsWith(`${name} `));
  return Number(line?.slice(name.length + 1));
}

/** One look has ended: everything old enough then is gone, or stays for a reason. */
async function awaitLook(world: World): Promise<void> {
  const { id } = await world.submitShell('true');
  await world.awaitState(id, 'completed');
  await awaitRetired(world, { id });
}

test('a server killed after it said that a workspace goes: it is gone, and the retry finds the work', async () => {
  await using world = await World.create();
  await ageUntilDeath(world, { config: NEVER, failpoints: 'retention.after-intent:crash' });
  await world.start();
  const [job] = ((await world.api('GET', '/v1/jobs')).body as { items: Kept[] }).items;
  assert.ok(job !== undefined);
  await until('it is finished, though nothing goes by age any more', async () => {
    return !(await exists(world.home.workspace(job.id))) && (await readdir(world.home.removals)).length === 0;
  });
  await checkBack(world);
  await checkInvariants(world);
});

test('only what has ended goes, and only what can be saved whole', async () => {
  await using world = await World.create();
  await world.configure({ ...AT_ONCE, limits: { agentsPerHost: 2 } });
  await world.start();
  await world.register();
  const running = await world.submitShell('echo on; while [ ! -e "$WITNESS/stop" ]; do sleep 0.05; done');
  await world.awaitState(running.id, 'running');
  const blocked = await world.submit({ agent: 'exec', command: ['no-such-program-anywhere'] });
  await world.awaitState(blocked.id, 'blocked');
  const held = await world.submitShell('true', { start: false });
  const inner = await world.submitShell('git init -q inner; echo x > inner/file');
  await world.awaitState(inner.id, 'completed');
  const swapped = await world.submitShell('mv .git away; ln -s away .git');
  await world.awaitState(swapped.id, 'completed');
  const branch = 'git switch -q -c aside; echo kept > kept.txt; git add kept.txt';
  const commit = 'git -c user.name=a -c user.email=a@localhost commit -qm aside; git switch -q -';
  const strayed = await world.submitShell(`${branch}; ${commit}`);
  await world.awaitState(strayed.id, 'completed');
  await awaitLook(world);
  await awaitLook(world);
  await awaitRetired(world, strayed);
  const told = String((await world.api('GET', `/v1/jobs/${strayed.id}/diff`)).body);
  const [, ref = ''] = /^# branch aside is kept as (\S+)$/m.exec(told) ?? [];
  const { items } = (await world.api('GET', '/v1/repositories')).body as { items: { id: string }[] };
  assert.equal(await git(world.home.mirror(items[0]?.id ?? ''), 'show', `${ref}:kept.txt`), 'kept\n', told);
  for (const job of [running, blocked, inner, swapped]) {
    assert.equal((await get(world, job)).workspaceRemovedAt, null);
    assert.ok(await exists(world.home.workspace(job.id)), `the workspace of job ${job.number} stays`);
  }
  for (const job of [running, blocked, held]) assert.equal((await get(world, job)).keptUntil, null);
  const { level, detail } = await readDoctor(world);
  assert.equal(level, 'warn');
  assert.match(detail, /2 stay longer: .*workspace of job \d+: .*inner\/ is a repository of its own/);
  assert.match(detail, /\.git is a symlink/);
  assert.equal(await readMetric(world, 'holdfast_retention_kept'), 2);
  assert.ok((await readMetric(world, 'holdfast_retention_removed_total{what="workspaces"}')) >= 2);
  await writeFile(join(world.witness, 'stop'), '');
  await world.awaitState(running.id, 'completed');
  await awaitRetired(world, running);
});

test('a workspace of several repositories goes when each is saved, and comes back with each', async () => {
  await using world = await World.create();
  await world.configure(NEVER);
  await world.start();
  await world.register();
  await world.registerAnother('lib');
  const beside = await world.submitShell('echo x > lib/new.txt; echo x > unsaved.txt', BOTH);
  await world.awaitState(beside.id, 'completed');
  const sent = await world.submitShell('cat sent.txt; ls; exit 1', { ...BOTH, start: false });
  assert.equal((await world.upload(sent.id, 'sent.txt', Buffer.from('sent\n'))).status, 201);
  await world.api('POST', `/v1/jobs/${sent.id}/start`);
  await world.awaitState(sent.id, 'failed');
  const failed = await world.submit(letters({ exit: 1 }));
  await world.awaitState(failed.id, 'failed');
  await world.kill();
  await world.configure(AT_ONCE);
  // They go by the time they ended: one stays, one is gone, and of the third it is said that it goes.
  await world.start({ failpoints: 'retention.after-intent:crash@2', waitReady: false });
  assert.equal((await world.awaitEnd()).signal, 'SIGKILL', await world.readLog());
  await world.configure(NEVER);
  await world.start();
  for (const { id } of [failed, sent])
    await until('its workspace is gone', async () => !(await exists(world.home.workspace(id))));
  assert.ok(await exists(join(world.home.workspace(beside.id), 'unsaved.txt')));
  assert.match(await world.readLog(), /unsaved\.txt.* lies beside its repositories and cannot be saved/);
  await assertLetters(world, failed, 1);
  for (const { id } of [failed, sent]) assert.equal((await world.api('POST', `/v1/jobs/${id}/retry`)).status, 200);
  await until('both attempts are seen in its tree', () => hasLetters(world, failed, 2));
  for (const { id } of [failed, sent])
    await until('it failed again', async () => {
      const { state, attempts } = await world.getJob(id);
      return state === 'failed' && attempts === 2;
    });
  assert.equal(await world.readOutput(sent.id), 'sent\ndemo\nlib\nsent.txt\n');
  await checkInvariants(world);
});

test('old jobs go for good, by whoever is first, and their numbers are not used again', async () => {
  await using world = await World.create();
  await world.configure(NEVER);
  await world.start();
  await world.register();
  const jobs: JobView[] = [];
  for (let n = 0; n < 4; n++) jobs.push(await world.submitShell('echo x > new.txt'));
  for (const { id } of jobs) await world.awaitState(id, 'completed');
  await world.kill();
  await world.configure({ retention: { workspaces: 1, jobs: 1 } });
  await world.start({ failpoints: 'removal.before-refs:crash', waitReady: false });
  await world.awaitEnd();
  await world.start();
  // A person removes them at the same time.
  await Promise.all(
    jobs.map(async ({ id }) => {
      const { status } = await world.api('DELETE', `/v1/jobs/${id}`);
      assert.ok(status === 204 || status === 410, String(status));
    }),
  );
  await until('their files are gone', async () => {
    return [...(await readdir(world.home.jobs)), ...(await readdir(world.home.removals))].length === 0;
  });
  for (const { id } of jobs) {
    assert.equal((await world.api('GET', `/v1/jobs/${id}`)).status, 410);
    world.acknowledged.delete(id);
  }
  await world.kill();
  await world.configure(NEVER);
  await world.start();
  const next = await world.submitShell('true');
  assert.equal(next.number, 5);
  await world.awaitState(next.id, 'completed');
  await checkInvariants(world);
});

test('a clock a year ahead or behind makes nothing old, and says so', { timeout: 180_000 }, async () => {
  await using world = await World.create();
  await world.configure({ retention: { workspaces: '3d', jobs: '90d' } });
  await world.start();
  await world.register();
  const job = await world.submitShell('echo x > new.txt');
  await world.awaitState(job.id, 'completed');
  for (const years of [1, -1, 0, 1]) {
    await world.kill();
    await world.start(shifted(years * YEAR_MS));
    await until('it has looked', async () => {
      const { wallAt } = JSON.parse((await readFile(world.home.retentionFile, 'utf8')).split(' ')[0] ?? '') as {
        wallAt: number;
      };
      return Math.abs(wallAt - Date.now() - years * YEAR_MS) < 600_000;
    });
    const other = await world.submitShell('true');
    await world.awaitState(other.id, 'completed');
    assert.equal((await get(world, job)).workspaceRemovedAt, null, `${years} years`);
    assert.ok(await exists(world.home.workspace(job.id)));
    const { level, detail } = await readDoctor(world);
    assert.equal(level, years === 1 ? 'warn' : level, detail);
    if (years !== 1) continue;
    assert.match(detail, /the clock is \d{3}d .*ahead of the time that evidently passed/);
    assert.ok((await readMetric(world, 'holdfast_retention_suspended_seconds')) > 363 * 86_400);
    assert.match(await world.readLog(), /the clock is 36[34]d .*ahead/);
  }
  await checkInvariants(world);
});

test('what was sent and never recorded goes after a day, what is recorded or younger stays', async () => {
  await using world = await World.create();
  await world.start();
  await world.register();
  const job = await world.submitShell('cat sent.txt', { start: false });
  assert.equal((await world.upload(job.id, 'sent.txt', Buffer.from('sent\n'))).status, 201);
  const staging = world.home.staging(job.id);
  const [recorded = ''] = await readdir(staging);
  const old = Date.now() / 1000 - 2 * 86_400;
  const plant = async (sum: string, at: number | null): Promise<string> => {
    const path = join(staging, sum.repeat(64), 'half.txt');
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, 'half');
    if (at !== null) await utimes(path, at, at);
    return path;
  };
  const gone = await plant('a', old);
  const young = await plant('b', null);
  const beside = join(staging, recorded, 'unknown.txt');
  await writeFile(beside, 'x');
  await utimes(beside, old, old);
  await utimes(join(staging, recorded, 'sent.txt'), old, old);
  const precious = join(world.root, 'precious');
  await mkdir(precious);
  await writeFile(join(precious, 'file'), 'kept');
  await symlink(precious, join(staging, 'c'.repeat(64)));
  await world.kill();
  await world.start();
  await until('it is gone', async () => !(await exists(gone)) && !(await exists(beside)));
  const report = await until('the report says so', async () => {
    const { orphans } = await world.readReport();
    return orphans.filter(({ kind, note }) => kind === 'staging' && note.startsWith('removed')).length === 2 && orphans;
  });
  assert.ok(report.some(({ path }) => path === gone));
  assert.ok(await exists(young));
  assert.deepEqual(await readdir(precious), ['file']);
  await world.api('POST', `/v1/jobs/${job.id}/start`);
  await world.awaitState(job.id, 'completed');
  assert.equal(await world.readOutput(job.id), 'sent\n');
  await rename(join(staging, 'c'.repeat(64)), join(world.root, 'link'));
  await checkInvariants(world);
});
