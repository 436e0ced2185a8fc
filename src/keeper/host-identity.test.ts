import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { isError } from '../kernel/errors.ts';
import { until } from './conformance/trial.ts';
import { isAlive, parseStat, readHostIdentity, readOwnIdentity, readProcess } from './host-identity.ts';
import { signalProcess } from './processes.ts';

const folder = mkdtempSync(join(tmpdir(), 'hf-identity-'));
after(() => rmSync(folder, { recursive: true, force: true }));

test('a command with brackets and spaces does not shift the fields of a stat line', () => {
  const rest = `0 0 0 0 11 22 33 44 20 0 1 0 987654 ${'7 '.repeat(27)}1000 1500 0`;
  const found = parseStat(`42 (a) b (c) S 1 42 43 0 -1 4194560 ${rest}`);
  assert.deepEqual(found, {
    pid: 42,
    start: '987654',
    state: 'S',
    dead: false,
    ppid: 1,
    session: 43,
    cpuTicks: 110,
    kernelThread: false,
    exiting: false,
    environmentBytes: 500,
  });
  assert.throws(() => parseStat(''));
  assert.throws(() => parseStat('42 (cut off) S 1 42'));
});

test('this host has an identity, and an injected boot id is another boot', () => {
  const identity = readHostIdentity();
  assert.match(identity.boot, /^[0-9a-f-]{36}$/);
  assert.match(identity.pidns, /^pid:\[\d+\]$/);
  assert.match(identity.init, /^\d+$/);
  const bootId = join(folder, 'boot_id');
  writeFileSync(bootId, 'another\n');
  assert.deepEqual(readHostIdentity({ bootId }), { ...identity, boot: 'another' });
});

test('a /proc that hides process 1 is refused, not read as "dead"', () => {
  assert.throws(
    () => readHostIdentity({ initStat: join(folder, 'hidden') }),
    (error) => isError(error, 'home-unusable'),
  );
});

test('the same pid with another start time is neither alive nor signalled', async () => {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' });
  after(() => child.kill('SIGKILL'));
  const gone = new Promise((resolve) => child.once('exit', (_code, signal) => resolve(signal)));
  const pid = child.pid ?? 0;
  const found = readProcess(pid);
  assert.ok(found !== null);
  const reused = { pid, start: String(Number(found.start) - 1) };
  assert.equal(isAlive(reused), false);
  assert.equal(signalProcess(reused, 'SIGTERM'), false);
  assert.equal(isAlive(found), true);
  assert.equal(signalProcess(found, 'SIGKILL'), true);
  assert.equal(await gone, 'SIGKILL');
  assert.equal(signalProcess(found, 'SIGKILL'), false);
});

test('a zombie is dead although /proc still shows it', async () => {
  // The shell's child ends while the program that replaced the shell never waits for it.
  const parent = spawn('sh', ['-c', 'sleep 0.01 & echo $!; exec sleep 60'], { stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    const pid = await new Promise<number>((resolve) => parent.stdout.once('data', (data) => resolve(Number(data))));
    const zombie = await until('a zombie', () => {
      const found = readProcess(pid);
      return found?.state === 'Z' ? found : null;
    });
    assert.equal(isAlive(zombie), false);
    assert.equal(signalProcess(zombie, 'SIGKILL'), false);
  } finally {
    parent.kill('SIGKILL');
  }
});

test('no such process is null, and this one is alive', () => {
  assert.equal(readProcess(2 ** 22 + 1), null);
  assert.equal(isAlive(readOwnIdentity()), true);
});
