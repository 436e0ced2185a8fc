import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { after, test } from 'node:test';
import { newId } from '../kernel/ids.ts';
import { until } from './conformance/trial.ts';
import { isAlive, readProcess, type ProcessIdentity } from './host-identity.ts';
import { endOperation, endProcesses, endStrays, findAttempt, scanProcesses } from './processes.ts';

const started: ChildProcess[] = [];
after(() => {
  for (const child of started) child.kill('SIGKILL');
});

function start(script: string, env: Record<string, string> = {}): ProcessIdentity {
  const options = { env: { PATH: '/usr/bin:/bin', ...env }, detached: true, stdio: 'ignore' } as const;
  const child = spawn('sh', ['-c', script], options);
  started.push(child);
  const found = readProcess(child.pid ?? 0);
  assert.ok(found !== null);
  return { pid: found.pid, start: found.start };
}

const sortPids = (list: ProcessIdentity[]): number[] => list.map((one) => one.pid).toSorted((a, b) => a - b);

test('a scan finds an attempt by its token, with descendants that shed it, and nothing of another', async () => {
  const attempt = newId('att', 1);
  const other = newId('att', 2);
  const one = start('setsid sleep 60 & exec sleep 60', { HOLDFAST_ATTEMPT: attempt });
  const shed = start('env -i PATH="$PATH" sleep 60; :', { HOLDFAST_ATTEMPT: attempt });
  const inner = start(`HOLDFAST_ATTEMPT=${other} sleep 60; :`, { HOLDFAST_ATTEMPT: attempt });
  const foreign = start('exec sleep 60', { NOT_HOLDFAST_ATTEMPT: attempt, ALSO: `x HOLDFAST_ATTEMPT=${attempt}` });
  const scan = await until('all are there', () => {
    const found = scanProcesses();
    return found.attempts.get(attempt)?.length === 5 && found.attempts.get(other)?.length === 1 ? found : null;
  });
  const found = sortPids(scan.attempts.get(attempt) ?? []);
  for (const { pid } of [one, shed, inner]) assert.ok(found.includes(pid));
  assert.ok(!found.includes(foreign.pid), 'a stranger was counted');
  const { ended, left } = await endStrays({ attempt });
  assert.deepEqual([ended, left], [5, []]);
  assert.equal(isAlive(foreign), true);
  assert.equal(scanProcesses().attempts.get(other)?.length, 1, 'what has a token of its own is not ours to end');
  await endStrays({ attempt: other });
});

test('members of the session of a living agent count without the token', async () => {
  const attempt = newId('att', 3);
  const agent = start('env -i /bin/sh -c "/bin/sleep 60 & exit" ; exec sleep 60', { HOLDFAST_ATTEMPT: attempt });
  await until('its child is an orphan', () => {
    const members = scanProcesses().processes.filter((one) => one.session === agent.pid);
    return members.length === 2 && members.some((one) => one.pid !== agent.pid && one.ppid !== agent.pid);
  });
  assert.equal(findAttempt(scanProcesses(), attempt, null).length, 1);
  assert.equal(findAttempt(scanProcesses(), attempt, agent).length, 2);
  assert.deepEqual(await endStrays({ attempt, agent }), { ended: 2, left: [] });
  await until('the session is empty', () => scanProcesses().processes.every((one) => one.session !== agent.pid));
});

test('a process whose first thread has ended lives on in the others, and is found and ended', async () => {
  const attempt = newId('att', 8);
  // 60 and 93: exit of this one thread, on x86-64 and on arm64.
  const call = process.arch === 'arm64' ? 93 : 60;
  const script = `exec perl -Mthreads -e 'threads->create(sub { sleep 60 })->detach; syscall(${call}, 0)'`;
  const headless = start(script, { HOLDFAST_ATTEMPT: attempt });
  await until('its first thread has ended', () => readProcess(headless.pid)?.state === 'Z');
  assert.equal(isAlive(headless), true);
  assert.deepEqual(sortPids(scanProcesses().attempts.get(attempt) ?? []), [headless.pid]);
  assert.deepEqual(await endStrays({ attempt }), { ended: 1, left: [] });
  assert.equal(isAlive(headless), false);
});

test('a fork bomb of a stray is ended: the scan is repeated until it finds none', async () => {
  const attempt = newId('att', 4);
  // Every process starts its successor and ends: whoever is killed may already have one.
  start('hop() { sleep 0.005; (hop) & }; hop', { HOLDFAST_ATTEMPT: attempt });
  await until('it hops', () => (scanProcesses().attempts.get(attempt)?.length ?? 0) > 0);
  const { left } = await endStrays({ attempt });
  assert.deepEqual(left, []);
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(scanProcesses().attempts.get(attempt), undefined);
});

test('an operation is ended with its children, by prefix, and no other', async () => {
  const operation = newId('op', 5);
  const mine = start('sleep 60 & wait', { HOLDFAST_OP: `${operation}:clone` });
  const other = start('exec sleep 60', { HOLDFAST_OP: newId('op', 6) });
  await until('both are there', () => [...scanProcesses().operations.values()].flat().length >= 3);
  const { ended, left } = await endOperation(operation);
  assert.deepEqual([ended, left], [2, []]);
  assert.deepEqual([isAlive(mine), isAlive(other)], [false, true]);
});

test('a process that replaces its image again and again is never overlooked', async () => {
  const attempt = newId('att', 8);
  const loop = 'exec sh -c "$LOOP"';
  const hopper = start(loop, { HOLDFAST_ATTEMPT: attempt, LOOP: loop });
  for (let look = 0; look < 200; look++) {
    assert.equal(scanProcesses().attempts.get(attempt)?.[0]?.pid, hopper.pid, `look ${look}`);
  }
  await endStrays({ attempt });
});

test('a process whose environment was wiped is named perhaps alive', async () => {
  const wiped = spawn('/bin/sleep', ['60'], { env: {}, stdio: 'ignore' });
  started.push(wiped);
  const pid = wiped.pid ?? 0;
  const scan = await until('it is there', () => {
    const found = scanProcesses();
    return found.processes.some((one) => one.pid === pid && one.state === 'S') ? found : null;
  });
  assert.ok(scan.perhaps.some((one) => one.pid === pid));
  assert.equal(scan.processes.find((one) => one.pid === pid)?.environment, 'empty');
  assert.ok(scan.perhaps.every((one) => one.pid !== process.pid));
});

test('nothing to end is verified, and what may not be ended is named at the deadline', async () => {
  assert.deepEqual(await endStrays({ attempt: newId('att', 7) }), { ended: 0, left: [] });
  const stubborn = start('exec sleep 60');
  const unkillable = { pid: stubborn.pid, start: '1' };
  assert.deepEqual(await endProcesses(() => [unkillable], 100), { ended: 0, left: [unkillable] });
  assert.equal(isAlive(stubborn), true, 'signalled by pid alone');
});
