/** What a server is given to work with and cannot use: it says which file or port it is, and changes nothing. */
import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { sha256 } from '../../src/kernel/hash.ts';
import { mountNamespace, whyNone } from '../support/namespace.ts';
import { within } from '../support/poll.ts';
import { readStarts, testifying } from '../support/testimony.ts';
import { World, type StartOptions } from '../support/world.ts';
import { checkInvariants } from './invariants.ts';
import { choose } from './size.ts';

interface Damage {
  name: string;
  always: boolean;
  /** `path` is that of the database. */
  damage: (path: string) => Promise<void>;
}

const DAMAGES: readonly Damage[] = [
  { name: 'is garbage', always: true, damage: (path) => writeFile(path, 'garbage '.repeat(4096)) },
  { name: 'is empty', always: false, damage: (path) => truncate(path, 0) },
  { name: 'is gone', always: true, damage: (path) => rm(path) },
  { name: 'has pages of noise', always: false, damage: addNoise },
];

for (const { name, damage } of choose(DAMAGES)) {
  test(`a database that ${name} is refused and left as it is`, { timeout: 120_000 }, async () => {
    await using world = await World.create();
    const server = await world.start();
    await world.register();
    await world.awaitState((await world.submitShell(testifying('say done'))).id, 'completed');
    // A clean end moves the log into the database: what is damaged then is all there is.
    server.child.kill('SIGTERM');
    await within('its end', server.ended);
    await damage(world.home.database);
    const before = await readHome(world);
    const said = await failToStart(world, 1);
    assert.ok(said.includes(world.home.database), `${said} does not name the file`);
    assert.match(said, /The database is damaged/);
    assert.match(said, /restore a copy/);
    await checkUntouched(world, before);
  });
}

test('a damaged database beside a log of unmoved writes is left as it is, too', { timeout: 120_000 }, async () => {
  await using world = await World.create();
  const server = await world.start();
  await world.register();
  await world.awaitState((await world.submitShell(testifying('say moved'))).id, 'completed');
  server.child.kill('SIGTERM');
  await within('its end', server.ended);
  await world.start();
  await world.submitShell(testifying('say unmoved'), { start: false });
  await world.kill();
  await addNoise(world.home.database);
  const before = await readHome(world);
  assert.ok(before.has('holdfast.db-wal'));
  const said = await failToStart(world, 1);
  assert.ok(said.includes(world.home.database), `${said} does not name the file`);
  await checkUntouched(world, before);
});

test('writes that the log has lost are told', { timeout: 120_000 }, async () => {
  await using world = await World.create();
  await world.start();
  await world.register();
  // Nothing else is at work any more: the last commit is the one that was answered last.
  await world.awaitState((await world.submitShell(testifying('say kept'))).id, 'completed');
  await world.submitShell(testifying('say lost'), { start: false });
  await world.kill();
  const log = `${world.home.database}-wal`;
  const bytes = await readFile(log);
  bytes.writeUInt8(bytes.readUInt8(bytes.length - 1000) ^ 1, bytes.length - 1000);
  await writeFile(log, bytes);
  await world.start();
  const { warnings } = await world.readReport();
  assert.equal(warnings.length, 1);
  assert.match(warnings[0] ?? '', /was acknowledged, but the journal ends at \d+: the last writes are gone/);
});

const namespace = mountNamespace();
const isRoot = process.getuid?.() === 0;

test(
  'a home that cannot be written to is named',
  { timeout: 120_000, skip: isRoot && whyNone(namespace) },
  async () => {
    await using world = await World.create();
    const script = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"';
    let options: StartOptions = {};
    if (namespace === null) {
      await writeFile(world.log, '');
      await chmod(world.root, 0o500);
    } else {
      await mkdir(world.home.root);
      options = { wrap: (argv) => [...namespace, 'sh', '-c', script, world.home.root, ...argv] };
    }
    const said = await failToStart(world, 1, options);
    await chmod(world.root, 0o700);
    assert.match(said, /The home cannot be used/);
    assert.ok(said.includes(world.home.root));
    assert.deepEqual(await readdir(world.home.root).catch(() => []), []);
  },
);

test('a port that is in use is named, and exit 5', { timeout: 120_000 }, async () => {
  await using world = await World.create();
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const address = other.address();
  assert.ok(address !== null && typeof address === 'object');
  const said = await failToStart(world, 5, { args: ['--port', String(address.port)] });
  assert.match(said, new RegExp(`127\\.0\\.0\\.1:${address.port} is taken`));
  other.close();
  // Nothing of the failed start is in the way of the next one.
  await world.start();
  await checkInvariants(world);
});

test('a configuration with an unknown key is refused by the name of the key', { timeout: 120_000 }, async () => {
  await using world = await World.create();
  await world.configure({ limits: { agentsPerHosts: 3 } });
  const said = await failToStart(world, 2);
  assert.ok(said.includes('agentsPerHosts') && said.includes(world.home.configFile), said);
});

test('a command that is not installed blocks its job until it is', { timeout: 120_000 }, async () => {
  await using world = await World.create();
  await world.start();
  await world.register();
  const program = join(world.root, 'program');
  const job = await world.submit({ agent: 'exec', command: [program] });
  const blocked = await world.awaitState(job.id, 'blocked', 'failed', 'completed');
  assert.deepEqual([blocked.state, blocked.reason, blocked.attempts], ['blocked', 'fix_config', 1]);
  assert.match(blocked.blocker ?? '', /ENOENT/);
  await world.kill();
  await world.start();
  assert.equal((await world.getJob(job.id)).attempts, 1);
  await writeFile(program, `#!/bin/sh\nWITNESS='${world.witness}'\n${testifying('say installed')}`, { mode: 0o755 });
  await world.api('POST', `/v1/jobs/${job.id}/retry`);
  const ended = await world.awaitState(job.id, 'completed', 'blocked', 'failed');
  assert.deepEqual([ended.state, ended.attempts, (await readStarts(world)).length], ['completed', 2, 1]);
  await checkInvariants(world);
});

/** Damages every page but the first. */
async function addNoise(path: string): Promise<void> {
  const bytes = await readFile(path);
  for (let at = 4096; at < bytes.length; at += 4096) bytes.fill(0xa5, at + 100, at + 2000);
  await writeFile(path, bytes);
}

/** Name and hash of what lies directly in the home. Locks and shared memory are no state. */
async function readHome(world: World): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const entry of await readdir(world.home.root, { withFileTypes: true })) {
    if (!entry.isFile() || /^server\.|-shm$/.test(entry.name)) continue;
    found.set(entry.name, sha256(await readFile(join(world.home.root, entry.name))));
  }
  return found;
}

/** What was there is there, byte for byte; nothing that holds anything was added. */
async function checkUntouched(world: World, before: Map<string, string>): Promise<void> {
  const empty = sha256('');
  // The marker of a start says which phase it ended in: the next one tells of it.
  const after = [...(await readHome(world))].filter(
    ([name, hash]) => before.has(name) || (hash !== empty && name !== 'starting.json'),
  );
  assert.deepEqual(new Map(after), before);
}

/** Starts a server that must refuse with this code; returns what it said. */
async function failToStart(world: World, code: number, options: StartOptions = {}): Promise<string> {
  const logged = (await world.readLog()).length;
  const server = await world.start({ ...options, waitReady: false });
  const ended = await within('its end', server.ended);
  const said = (await world.readLog()).slice(logged);
  assert.deepEqual(ended, { code, signal: null }, said);
  return said;
}
