/**
 * Orphans of every kind are planted beside look-alikes of somebody else: the look names them all and changes nothing,
 * a repair takes exactly those that are named and provably ours, a second one finds nothing to do, and a crash at any
 * point of it is made good by the next start.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { lstat, mkdir, readFile, readdir, readlink, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { test } from 'node:test';
import type { OrphanListView, OrphanView, RepairView } from '../../src/api/contract.ts';
import { isAlive, readProcess, type ProcessIdentity } from '../../src/keeper/host-identity.ts';
import { encodeRecord } from '../../src/keeper/protocol.ts';
import { signalProcess } from '../../src/keeper/processes.ts';
import { newId } from '../../src/kernel/ids.ts';
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import { exists } from '../../src/workspace/remove-tree.ts';
import { run } from '../e2e/command.ts';
import { until } from '../support/poll.ts';
import { git } from '../support/repository.ts';
import { World, type JobView } from '../support/world.ts';

const HOUR_AGO = Date.now() / 1000 - 3600;

async function look(world: World): Promise<OrphanListView> {
  const answer = await world.api('GET', '/v1/orphans?limit=1000');
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  const found = answer.body as OrphanListView;
  // Other tests of this machine have agents of other homes; those are no business of this one.
  return { ...found, items: found.items.filter((one) => one.ours || one.kind !== 'process') };
}

async function repair(world: World, ids: readonly string[], dryRun = false): Promise<RepairView> {
  const answer = await world.api('POST', '/v1/orphans/repair', { ids, dryRun });
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  return answer.body as RepairView;
}

/** Everything below a directory: names, kinds, contents and link targets. */
async function hashTree(directory: string, skip: (path: string) => boolean): Promise<string> {
  const hash = createHash('sha256');
  const walk = async (path: string): Promise<void> => {
    if (skip(path)) return;
    const stat = await lstat(path);
    hash.update(`${relative(directory, path)} ${stat.mode} ${stat.ino} `);
    if (stat.isSymbolicLink()) hash.update(await readlink(path));
    else if (stat.isFile()) hash.update(await readFile(path));
    else if (stat.isDirectory()) for (const name of (await readdir(path)).toSorted()) await walk(join(path, name));
  };
  await walk(directory);
  return hash.digest('hex');
}

/** A job with a workspace, an attempt and uncommitted work, moved to an id that no row has. */
async function orphanJob(world: World): Promise<{ id: string; directory: string }> {
  const job = await world.submitShell('echo work >uncommitted.txt');
  await world.awaitState(job.id, 'completed');
  const id = newId('job', Date.now() - 5000);
  await rename(world.home.job(job.id), world.home.job(id));
  return { id, directory: world.home.job(id) };
}

interface Planted {
  /** Path or identity → kind, of what is provably ours. */
  ours: Map<string, string>;
  /** Likewise, of what only looks like it. */
  foreign: Map<string, string>;
  process: ProcessIdentity;
  job: JobView;
}

async function old(path: string): Promise<string> {
  await utimes(path, HOUR_AGO, HOUR_AGO);
  return path;
}

async function plant(world: World): Promise<Planted> {
  const { home } = world;
  const ours = new Map<string, string>();
  const foreign = new Map<string, string>();
  const job = await world.submitShell('echo done');
  await world.awaitState(job.id, 'completed');
  const temp = (folder: string, name = 'row'): string => join(folder, `.tmp-${name}-4711-0123456789ab`);
  const outside = join(world.root, 'outside');
  await mkdir(outside, { recursive: true });
  await writeFile(join(outside, 'precious'), 'kept');

  const lost = await orphanJob(world);
  ours.set(lost.directory, 'job-directory');
  for (const folder of [home.root, home.job(job.id), home.runDirectory(job.id, 1)]) {
    await writeFile(temp(folder), 'half');
    ours.set(await old(temp(folder)), 'temp-file');
    await writeFile(join(folder, '.tmp-somebody'), 'x');
    foreign.set(await old(join(folder, '.tmp-somebody')), 'temp-file');
  }
  const unfinished = join(home.job(job.id), `workspace.${job.id}.9`);
  await mkdir(unfinished);
  ours.set(unfinished, 'workspace');
  const [host = ''] = (await readFile(home.hostFile, 'utf8')).trim().split(/\s/);
  const runDir = home.runDirectory(job.id, 7);
  await mkdir(runDir);
  await writeFile(join(runDir, 'spec.json'), encodeRecord(newId('att', Date.now()), { host }));
  ours.set(runDir, 'run-directory');
  const copied = home.runDirectory(job.id, 8);
  await mkdir(copied);
  await writeFile(join(copied, 'spec.json'), encodeRecord(newId('att', Date.now()), { host: 'host_of_a_copy' }));
  foreign.set(copied, 'run-directory');
  const removal = join(home.removals, `${job.id}.3~0123456789ab`);
  await mkdir(removal);
  ours.set(removal, 'removal');
  await mkdir(join(home.removals, 'mine'));
  foreign.set(join(home.removals, 'mine'), 'removal');
  const [repository = ''] = await readdir(home.repos);
  const scratch = join(home.repos, repository, 'scratch.1-0123456789ab.1');
  await mkdir(scratch);
  ours.set(await old(scratch), 'scratch');
  const gone = newId('job', Date.now() - 9000);
  const mirror = home.mirror(repository);
  const head = (await git(mirror, 'rev-parse', 'HEAD')).trim();
  await git(mirror, 'update-ref', `refs/holdfast/${gone}/attempt-1`, head);
  ours.set(`refs/holdfast/${gone}`, 'ref');
  await git(mirror, 'update-ref', 'refs/holdfast/notes/mine', head);
  foreign.set('refs/holdfast/notes', 'ref');
  for (const name of ['notes', newId('job', Date.now() - 7000)]) {
    await mkdir(join(home.jobs, name));
    await writeFile(join(home.jobs, name, 'precious'), 'kept');
    foreign.set(join(home.jobs, name), 'job-directory');
  }
  const link = home.job(newId('job', Date.now() - 6000));
  await symlink(outside, link);
  foreign.set(link, 'job-directory');
  const strange = join(home.repos, newId('repo', Date.now()));
  await mkdir(strange);
  foreign.set(strange, 'repository-directory');
  const [attempt] = await world.getAttempts(job.id);
  const stray = spawn('sleep', ['600'], {
    env: { HOLDFAST_ATTEMPT: attempt?.id ?? '', MARK: world.root },
    detached: true,
    stdio: 'ignore',
  });
  const stat = readProcess(stray.pid ?? 0);
  ours.set(`attempt ${attempt?.id ?? ''}`, 'process');
  return { ours, foreign, job, process: { pid: stat?.pid ?? 0, start: stat?.start ?? '' } };
}

function nameOf(one: OrphanView): string {
  return one.identity ?? one.path ?? '';
}

function kindsOf(items: readonly OrphanView[], ours: boolean): Map<string, string> {
  return sorted(
    new Map(items.filter((one) => one.ours === ours).map((one): [string, string] => [nameOf(one), one.kind])),
  );
}

function sorted(map: ReadonlyMap<string, string>): Map<string, string> {
  return new Map([...map].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

test('planted orphans of every kind are named, look-alikes only reported; a look and a dry run change nothing', async () => {
  await using world = await World.create();
  await world.start();
  await world.register();
  const planted = await plant(world);
  const skip = (path: string): boolean => /holdfast\.db|server\.(json|log)|server\.lock/.test(path);
  const seq = async (): Promise<string> =>
    /holdfast_journal_seq (\d+)/.exec(String((await world.api('GET', '/metrics')).body))?.[1] ?? '';
  const before = [await hashTree(world.home.root, skip), await seq()];
  const found = await look(world);
  // Its row says that there is a workspace where a test moved it away.
  const items = found.items.filter((one) => one.kind !== 'missing-workspace');
  assert.equal(found.items.length - items.length, 1);
  assert.deepEqual(kindsOf(items, true), sorted(planted.ours));
  assert.deepEqual(kindsOf(items, false), sorted(planted.foreign));
  assert.deepEqual(
    (await look(world)).items.map(({ id }) => id),
    found.items.map(({ id }) => id),
    'ids stay',
  );
  const dry = await repair(
    world,
    found.items.map(({ id }) => id),
    true,
  );
  for (const { orphan, outcome } of dry.items) {
    const expected = orphan?.ours === true && orphan.action !== 'none' ? 'would' : 'refused';
    assert.equal(outcome, expected, nameOf(orphan as OrphanView));
  }
  assert.deepEqual([await hashTree(world.home.root, skip), await seq()], before);
  assert.equal(isAlive(planted.process), true);

  const done = await repair(
    world,
    found.items.map(({ id }) => id),
  );
  const failed = done.items.filter(
    ({ outcome, orphan }) =>
      outcome === 'failed' || (outcome === 'refused' && orphan?.ours && orphan.action !== 'none'),
  );
  assert.deepEqual(failed, []);
  assert.equal(isAlive(planted.process), false);
  for (const [name] of planted.ours) if (name.startsWith('/')) assert.equal(await exists(name), false, name);
  for (const [name] of planted.foreign) if (name.startsWith('/')) assert.equal(await exists(name), true, name);
  assert.equal(await readFile(join(world.root, 'outside', 'precious'), 'utf8'), 'kept');
  const rest = (await look(world)).items.filter((one) => one.kind !== 'missing-workspace');
  const rescued = rest.filter((one) => one.ours);
  assert.deepEqual(
    rescued.map((one) => one.kind),
    ['ref'],
    'the work of the unknown job is on a ref now',
  );
  const [repository = ''] = (await readdir(world.home.repos)).filter((name) => rescued[0]?.path?.includes(name));
  const saved = await git(
    world.home.mirror(repository),
    'show',
    `${rescued[0]?.identity ?? ''}/rescued:uncommitted.txt`,
  );
  assert.equal(saved.trim(), 'work');
  const again = await repair(
    world,
    found.items.map(({ id }) => id),
  );
  for (const { orphan, outcome } of again.items) assert.equal(outcome, orphan === null ? 'gone' : 'refused');
  await world.kill();
  await using store = await openStopped(world);
  const repairs = (await store.listEvents({ after: 0, limit: 1000 })).filter(({ kind }) => kind.startsWith('repair.'));
  const acted = done.items.filter(({ outcome }) => outcome === 'done').length;
  assert.equal(repairs.filter(({ kind }) => kind === 'repair.intend').length, acted);
  assert.equal(repairs.filter(({ kind }) => kind === 'repair.finish').length, acted);
  assert.deepEqual((await store.checkDeep()).corrupt, []);
});

async function openStopped(world: World): Promise<ReturnType<typeof openSqliteStore> & AsyncDisposable> {
  const store = openSqliteStore({ path: world.home.database });
  await store.start();
  return Object.assign(store, { [Symbol.asyncDispose]: () => store.stop() });
}

for (const point of ['orphan.after-intent', 'orphan.after-act', 'orphan.after-record']) {
  test(`killed at ${point}: the next start does it once, saves the work first, and touches nothing else`, async () => {
    await using world = await World.create();
    await world.start();
    await world.register();
    const lost = await orphanJob(world);
    const other = await orphanJob(world);
    await world.kill();
    await world.start({ failpoints: `${point}:crash` });
    const found = (await look(world)).items;
    const named = found.find((one) => one.path === lost.directory);
    assert.equal(named?.action, 'save-and-remove');
    await assert.rejects(repair(world, [named?.id ?? '']));
    assert.equal((await world.awaitEnd()).signal, 'SIGKILL');
    await world.start();
    await until('it is repaired', async () => !(await exists(lost.directory)) && (await countOpen(world)) === 0);
    assert.equal(await exists(join(other.directory, 'workspace', 'uncommitted.txt')), true);
    const [repository = ''] = await readdir(world.home.repos);
    const ref = `refs/holdfast/${lost.id}/rescued:uncommitted.txt`;
    assert.equal((await git(world.home.mirror(repository), 'show', ref)).trim(), 'work');
  });
}

/** Repairs that were begun and not ended, by the journal. */
async function countOpen(world: World): Promise<number> {
  const headers = { accept: 'application/json' };
  const events = (await world.call({ method: 'GET', path: '/v1/events?limit=200', headers })).body as {
    items?: { kind: string }[];
  };
  const kinds = (events.items ?? []).map(({ kind }) => kind);
  const count = (kind: string): number => kinds.filter((one) => one === kind).length;
  return count('repair.intend') - count('repair.finish') - count('repair.fail');
}

test('a start removes old temp files everywhere, keeps young ones, and names the rest in its report', async () => {
  await using world = await World.create();
  await world.start();
  await world.register();
  const planted = await plant(world);
  const young = join(world.home.job(planted.job.id), '.tmp-young-1-0123456789ab');
  await writeFile(young, 'in use');
  await world.kill();
  await world.start();
  const temps = [...planted.ours].filter(([, kind]) => kind === 'temp-file').map(([path]) => path);
  const report = await until('the report is complete', async () => {
    const now = await world.readReport();
    return now.orphans.length > 0 ? now : null;
  });
  for (const path of temps) assert.equal(await exists(path), false, path);
  assert.equal(await exists(young), true);
  const kinds = new Set(report.orphans.map(({ kind }) => kind));
  for (const kind of ['job-directory', 'run-directory', 'ref', 'process']) assert.ok(kinds.has(kind), kind);
  assert.equal(isAlive(planted.process), true, 'a process is never ended unasked');
  for (const [path, kind] of planted.foreign) {
    // What lies in removals/ is deleted by every start.
    if (path.startsWith('/') && kind !== 'removal') assert.equal(await exists(path), true, path);
  }
  signalProcess(planted.process, 'SIGKILL');
});

test('the work of an unknown job stays when no mirror can keep it', async () => {
  await using world = await World.create();
  await world.start();
  await world.register();
  const lost = await orphanJob(world);
  await rm(join(lost.directory, 'workspace', '.git', 'packed-refs'), { force: true });
  await rm(join(lost.directory, 'workspace', '.git', 'refs', 'remotes'), { recursive: true, force: true });
  const found = (await look(world)).items.find((one) => one.path === lost.directory);
  const { items } = await repair(world, [found?.id ?? '']);
  assert.equal(items[0]?.outcome, 'failed');
  assert.equal(await exists(join(lost.directory, 'workspace', 'uncommitted.txt')), true);
});

test('doctor lists orphans, --fix is a dry run, and acts only on what --only names with --yes', async () => {
  await using world = await World.create();
  await world.start();
  await world.register();
  const lost = await orphanJob(world);
  const text = await run(world, ['doctor']);
  assert.match(text.stdout, /belong to nothing[^]*job-directory[^]*save-and-remove/);
  const id = /(orph_[0-9a-f]{20})  job-directory/.exec(text.stdout)?.[1] ?? '';
  const dry = await run(world, ['doctor', '--fix']);
  assert.equal(dry.code, 0, dry.stderr);
  assert.match(dry.stdout, new RegExp(`would +${id}`));
  assert.equal(await exists(lost.directory), true);
  const unnamed = await run(world, ['doctor', '--fix', '--yes']);
  assert.deepEqual([unnamed.code, await exists(lost.directory)], [2, true]);
  const named = await run(world, ['doctor', '--fix', '--only', id]);
  assert.deepEqual([named.code, await exists(lost.directory)], [0, true]);
  const done = await run(world, ['doctor', '--fix', '--only', id, '--yes', '--json']);
  assert.equal(done.code, 0, done.stderr);
  const { items } = JSON.parse(done.stdout) as RepairView;
  assert.deepEqual([items[0]?.outcome, await exists(lost.directory)], ['done', false]);
  const again = await run(world, ['doctor', '--fix', '--only', id, '--yes']);
  assert.equal(again.code, 0);
  assert.match(again.stdout, /gone/);
});
