/** Backups of servers at work, and homes made from them: nothing is lost, nothing runs twice, nothing half is left. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { BackupView } from '../../src/api/contract/backup.ts';
import { isAlive } from '../../src/keeper/host-identity.ts';
import type { FailpointName } from '../../src/kernel/failpoints.ts';
import { canonicalJson, sha256 } from '../../src/kernel/hash.ts';
import { homeLayout } from '../../src/lifecycle/home.ts';
import { run, start } from '../e2e/command.ts';
import { until } from '../support/poll.ts';
import { World, type JobView } from '../support/world.ts';
import { checkInvariants } from './invariants.ts';
import { assertNothingBeside, awaitBackup, backUp, restore, restoreThroughCrash } from './restored-home.ts';
import { isFull } from './size.ts';
import { readStoppedHome } from './stopped-home.ts';

const options = { timeout: 240_000 };
const LONG = 'echo begun; while [ ! -e "$WITNESS/go" ]; do sleep 0.05; done; echo ended';

/** A home with one ended job and one at work. */
async function busyWorld(world: World): Promise<{ ended: JobView; working: JobView }> {
  await world.start();
  await world.register();
  const ended = await world.submitShell('echo done; echo work > done.txt; exit 3');
  await world.awaitState(ended.id, 'failed');
  const working = await world.submitShell(LONG);
  await until('it has printed', async () => (await world.getJob(working.id)).outputBytes > 0);
  return { ended: await world.getJob(ended.id), working };
}

test('a backup under load has every job that was acknowledged before it, and submissions go on', options, async () => {
  await using world = await World.create();
  await using other = await World.create();
  await world.configure({ limits: { agentsPerHost: 1 } });
  const { ended, working } = await busyWorld(world);
  const held = await world.submitShell('cat sent.txt', { start: false });
  assert.equal((await world.upload(held.id, 'sent.txt', Buffer.from('what was sent\n'))).status, 201);
  const waiting = await world.submitShell('echo waited');
  const later = await world.submitShell('echo later', { after: [working.id] });
  const before = [ended, working, held, waiting, later];

  const path = join(world.root, 'saved');
  const asked = await world.api('POST', '/v1/backups', { path });
  assert.equal(asked.status, 202);
  const { id } = asked.body as BackupView;
  const during: JobView[] = [];
  let isMade = false;
  const made = awaitBackup(world, id).finally(() => (isMade = true));
  while (!isMade) during.push(await world.submitShell('true', { start: false }));
  const backup = await made;
  assert.equal(backup.state, 'made', backup.note ?? '');
  assert.equal(backup.note, null);
  assert.ok(during.length > 5, `${during.length} submissions during the backup`);
  for (const name of ['', 'holdfast.db', 'callback-secret.json', 'manifest.json'])
    assert.equal((await stat(join(path, name))).mode & 0o077, 0, name);
  await assertNothingBeside(path);

  // The home it was made of goes on beside the one that is made from it.
  const restored = await run(other, ['restore', path, '--json']);
  assert.equal(restored.code, 0, restored.stderr);
  await other.start();
  for (const job of before) assert.equal((await other.getJob(job.id)).number, job.number);
  const [was, is] = [await world.getJob(ended.id), await other.getJob(ended.id)];
  assert.deepEqual([is.state, is.exitCode, is.outputBytes], [was.state, was.exitCode, was.outputBytes]);
  assert.deepEqual(await readFile(is.outputFile ?? ''), await readFile(was.outputFile ?? ''));
  for (const what of ['diff', 'transcript']) {
    const [one, two] = [world, other].map((each) => each.api('GET', `/v1/jobs/${ended.id}/${what}`));
    assert.deepEqual((await two)?.body, (await one)?.body);
  }
  assert.notEqual(await readFile(other.home.hostFile, 'utf8'), await readFile(world.home.hostFile, 'utf8'));
  assert.notEqual(await readFile(other.home.tokenFile, 'utf8'), await readFile(world.home.tokenFile, 'utf8'));
  const report = await other.readReport();
  assert.equal(report.restored?.backupId, id);
  assert.deepEqual([report.previousStop, report.downSeconds, report.jobs], ['unknown', null, []]);

  // What was at work or waited is for a person; the agent that still runs is not ours to end.
  for (const job of [working, waiting, later]) {
    const { state, reason, nextSafeAction } = await other.getJob(job.id);
    assert.deepEqual([state, reason, nextSafeAction], ['blocked', 'restored', 'retry']);
  }
  assert.match((await other.getJob(later.id)).blocker ?? '', /^it waited for others when the backup was made/);
  assert.equal(await other.readOutput(working.id), 'begun\n');
  const [agent] = (await world.getAttempts(working.id)).map((one) => one.agent);
  assert.ok(agent !== null && agent !== undefined && isAlive(agent));
  assert.equal((await other.api('POST', `/v1/jobs/${working.id}/cancel`)).status < 300, true);
  const { items } = (await other.api('GET', '/v1/orphans')).body as { items: { ours: boolean; note: string }[] };
  assert.deepEqual(
    items.filter(({ ours }) => ours),
    [],
  );
  assert.ok(isAlive(agent));
  await other.api('POST', `/v1/jobs/${held.id}/start`);
  await other.awaitState(held.id, 'completed');
  assert.equal(await other.readOutput(held.id), 'what was sent\n');
  for (const job of [waiting, later]) {
    await other.api('POST', `/v1/jobs/${job.id}/retry`);
    await other.awaitState(job.id, 'completed');
  }
  await writeFile(join(world.witness, 'go'), '');
  await world.awaitState(working.id, 'completed');
  await world.awaitState(later.id, 'completed');
  assert.equal(await world.readOutput(working.id), 'begun\nended\n');
  // A person who knows better has it begin again, as another attempt.
  await other.api('POST', `/v1/jobs/${working.id}/retry`);
  assert.equal((await other.awaitState(working.id, 'completed')).attempts, 2);
  await checkInvariants(other);
  await checkInvariants(world);
});

test('jobs that waited stay in the queue when the operator says so', options, async () => {
  await using world = await World.create();
  await using other = await World.create();
  await world.configure({ limits: { agentsPerHost: 1 } });
  const { working } = await busyWorld(world);
  const waiting = [await world.submitShell('echo 1'), await world.submitShell('echo 2')];
  const path = join(world.root, 'saved');
  await backUp(world, path);
  await world.kill();
  assert.equal((await restore(other, path, { home: other.home.root, args: ['--keep-queue'] })).code, 0);
  await other.start();
  for (const job of waiting) await other.awaitState(job.id, 'completed');
  assert.equal((await other.getJob(working.id)).state, 'blocked');
});

test('a home in use, or with anything in it, is not restored over', options, async () => {
  await using world = await World.create();
  const { ended } = await busyWorld(world);
  const path = join(world.root, 'saved');
  await backUp(world, path);
  const { root } = world.home;
  const held = await restore(world, path, { home: root });
  assert.equal(held.code, 5);
  assert.match(held.stderr, new RegExp(`home-held`));
  assert.match(held.stderr, new RegExp(`process ${world.server?.identity.pid}`));
  await world.kill();
  const used = await restore(world, path, { home: root });
  assert.equal(used.code, 5);
  assert.match(used.stderr, /home-not-empty/);
  const empty = join(world.root, 'empty');
  await mkdir(empty);
  assert.equal((await restore(world, path, { home: empty })).code, 0);
  assert.ok((await readStoppedHome(homeLayout(empty))).jobs.some(({ id }) => id === ended.id));
  await world.start();
  assert.equal((await world.getJob(ended.id)).state, 'failed');
  const twice = await run(world, ['backup', path, '--json']);
  assert.equal(twice.code, 5);
  assert.match(twice.stderr, /already-exists/);
  const inside = await run(world, ['backup', join(root, 'saved')]);
  assert.match(inside.stderr, /inside the home/);
});

test('without a server the command makes the backup, and a crash of it leaves nothing', options, async () => {
  await using world = await World.create();
  await busyWorld(world);
  await world.kill();
  const path = join(world.root, 'saved');
  const env = { HOLDFAST_FAILPOINTS: 'backup.before-rename:crash' };
  assert.equal((await start(world, ['backup', path], { env }).finish()).code, null);
  assert.ok(!existsSync(path));
  const made = await start(world, ['backup', path, '--json']).finish();
  assert.equal(made.code, 0, made.stderr);
  await assertNothingBeside(path);
  assert.equal((await run(world, ['backup', '--verify', path])).code, 0);
  await world.start();
  const { items } = (await world.api('GET', '/v1/backups')).body as { items: BackupView[] };
  assert.deepEqual(
    items.map(({ state }) => state),
    ['made', 'failed'],
  );
});

const POINTS = [
  'backup.after-intent',
  'backup.after-database',
  'backup.after-files',
  'backup.before-rename',
  'backup.after-rename',
  'backup.after-record',
] as const satisfies readonly FailpointName[];
for (const point of isFull ? POINTS : POINTS.slice(-2)) {
  test(`killed at ${point}: a backup is whole and recorded, or not there`, options, async () => {
    await using world = await World.create();
    await world.start({ failpoints: `${point}:crash` });
    await world.register();
    await world.awaitState((await world.submitShell('echo saved')).id, 'completed');
    const path = join(world.root, 'saved');
    await world.api('POST', '/v1/backups', { path }).catch(() => null);
    assert.equal((await world.awaitEnd()).signal, 'SIGKILL');
    const isThere = ['backup.after-rename', 'backup.after-record'].includes(point);
    assert.equal(existsSync(path), isThere);
    await world.start();
    await assertNothingBeside(path);
    const { items } = (await world.api('GET', '/v1/backups')).body as { items: BackupView[] };
    assert.deepEqual(
      items.map(({ state }) => state),
      [isThere ? 'made' : 'failed'],
    );
    if (isThere) assert.equal((await run(world, ['backup', '--verify', path])).code, 0);
    assert.equal((await backUp(world, join(world.root, 'again'))).state, 'made');
    await checkInvariants(world);
  });
}

const RESTORE_POINTS = [
  'restore.after-files',
  'restore.after-host',
  'restore.after-database',
  'restore.before-rename',
  'restore.after-rename',
] as const satisfies readonly FailpointName[];

test('killed at any point of a restore: there is no home, or a whole one', options, async () => {
  await using world = await World.create();
  await busyWorld(world);
  const path = join(world.root, 'saved');
  await backUp(world, path);
  for (const point of RESTORE_POINTS) await restoreThroughCrash(world, path, { home: join(world.root, point), point });
});

/** Changes one thing in a copy of a backup; returns where it lies. */
async function spoil(from: string, name: string, change: (path: string) => Promise<void>): Promise<string> {
  const path = `${from}-${name}`;
  await cp(from, path, { recursive: true });
  await change(path);
  return path;
}

async function flip(path: string): Promise<void> {
  const bytes = await readFile(path);
  const at = Math.floor(bytes.length / 2);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  await writeFile(path, bytes);
}

async function editManifest(path: string, change: (manifest: Record<string, unknown>) => void): Promise<void> {
  const file = join(path, 'manifest.json');
  const { sum: _sum, ...manifest } = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>;
  change(manifest);
  await writeFile(file, JSON.stringify({ ...manifest, sum: sha256(canonicalJson(manifest)) }));
}

test('a backup that was changed is found out, and nothing of it is restored', options, async () => {
  await using world = await World.create();
  const { ended } = await busyWorld(world);
  const path = join(world.root, 'saved');
  await backUp(world, path);
  const output = join('jobs', ended.id, 'attempts', '1', 'output');
  const repository = (await readdir(join(path, 'repos')))[0] ?? '';
  const cases: [string, RegExp, (path: string) => Promise<void>][] = [
    ['output', /is not what was saved/, (copy) => flip(join(copy, output))],
    ['database', /is not what was saved/, (copy) => flip(join(copy, 'holdfast.db'))],
    ['bundle', /is not what was saved/, (copy) => flip(join(copy, 'repos', repository, 'mirror.bundle'))],
    ['manifest', /manifest/, (copy) => flip(join(copy, 'manifest.json'))],
    ['shorter', /is missing/, (copy) => rm(join(copy, output))],
    ['unfinished', /never finished/, (copy) => rm(join(copy, 'manifest.json'))],
    ['newer', /format 99/, (copy) => editManifest(copy, (manifest) => (manifest['format'] = 99))],
    [
      'outside',
      /not a file of a backup/,
      (copy) =>
        editManifest(copy, (manifest) => {
          (manifest['files'] as { path: string }[]).push({ path: '../escaped' });
        }),
    ],
  ];
  const home = join(world.root, 'made');
  for (const [name, expected, change] of cases) {
    const spoiled = await spoil(path, name, change);
    const checked = await run(world, ['backup', '--verify', spoiled]);
    assert.equal(checked.code, 1, name);
    assert.match(checked.stderr, expected, name);
    const refused = await run(world, ['restore', spoiled, '--home', home]);
    assert.match(refused.stderr, /backup-damaged|backup-too-new/, name);
    assert.ok(!existsSync(home), name);
  }
  await assertNothingBeside(home);
});
