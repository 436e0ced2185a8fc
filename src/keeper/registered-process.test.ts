import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { until } from './conformance/trial.ts';
import { isAlive, readOwnIdentity, readProcess } from './host-identity.ts';
import { scanProcesses } from './processes.ts';
import { endRegistered, identifyProcess, processAgeMs } from './registered-process.ts';

const shells: ChildProcess[] = [];
// A test that failed leaves its shell, which would keep this file from ending.
after(() => {
  for (const shell of shells) shell.kill('SIGKILL');
});

/** Starts a shell of its own session; returns its pid once it has printed a line. */
async function startShell(script: string): Promise<number> {
  const child = spawn('sh', ['-c', `echo up; ${script}`], { detached: true, stdio: ['ignore', 'pipe', 'ignore'] });
  shells.push(child);
  await new Promise((resolve) => child.stdout.once('data', resolve));
  return child.pid ?? 0;
}

test('a living process of ours is taken down as an identity', async () => {
  const pid = await startShell('sleep 600 & wait');
  const found = identifyProcess(pid, []);
  assert.equal(found.start, readProcess(pid)?.start);
  assert.ok(processAgeMs(found) < 60_000);
  assert.equal(await endRegistered(found, 100), true);
});

test('the server, what it runs in, keepers, process 1 and nothing at all are refused', async () => {
  const pid = await startShell('sleep 600 & wait');
  const found = identifyProcess(pid, []);
  const own = readOwnIdentity();
  const parent = readProcess(own.pid)?.ppid ?? 0;
  for (const bad of [1, own.pid, parent, 0, -1, 4_194_305]) {
    assert.throws(() => identifyProcess(bad, []), { code: 'resource-refused' }, String(bad));
  }
  assert.throws(() => identifyProcess(pid, [found]), { code: 'resource-refused' });
  assert.equal(await endRegistered(found, 100), true);
});

test('it is asked first, and what it started ends with it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-process-'));
  try {
    const note = join(folder, 'note');
    const pid = await startShell(
      `trap 'echo asked >${note}; exit' TERM; setsid sleep 600 & while :; do sleep 0.05; done`,
    );
    const found = identifyProcess(pid, []);
    // The shell says that it is up before it has started its child.
    const children = await until('its child is there', () => {
      const list = scanProcesses().processes.filter((one) => one.ppid === pid);
      return list.length > 0 ? list : null;
    });
    assert.equal(await endRegistered(found), true);
    assert.equal(await readFile(note, 'utf8'), 'asked\n');
    for (const one of [found, ...children]) assert.equal(isAlive(one), false, String(one.pid));
    assert.equal(await endRegistered(found), false);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test('one that takes no notice of SIGTERM is killed', async () => {
  const pid = await startShell(`trap '' TERM; while :; do sleep 0.05; done`);
  assert.equal(await endRegistered(identifyProcess(pid, []), 100), true);
  assert.equal(readProcess(pid)?.dead ?? true, true);
});

test('a stranger with a reused pid, and a process of another boot, are gone, not signalled', async () => {
  const pid = await startShell('sleep 600 & wait');
  const found = identifyProcess(pid, []);
  assert.equal(await endRegistered({ ...found, start: String(Number(found.start) - 1) }), false);
  assert.equal(await endRegistered({ ...found, boot: 'another' }), false);
  await assert.rejects(endRegistered({ ...found, pidns: 'pid:[1]' }), { code: 'resource-failed' });
  assert.equal(isAlive(found), true);
  assert.equal(await endRegistered(found, 100), true);
  assert.equal(await endRegistered(found, 100), false);
});
