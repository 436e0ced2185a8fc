import assert from 'node:assert/strict';
import {
  closeSync,
  chmodSync,
  existsSync,
  openSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { sha256 } from '../../kernel/hash.ts';
import { readProcess } from '../host-identity.ts';
import { RESERVE_BYTES, RUN_FILES } from '../protocol.ts';
import { readAgent, readClaim } from '../run-directory.ts';
import { Trial, processesIn, until } from './trial.ts';

/** The durable steps in order, one after the other visible by stopping the keeper between them. */
const STEPS = [
  { point: 'keeper.before-claim', files: [] },
  { point: 'keeper.after-claim', files: ['claim'] },
  { point: 'keeper.after-reserve', files: ['claim', 'reserve'] },
  { point: 'keeper.after-gate', files: ['claim', 'reserve', 'output'] },
  { point: 'keeper.after-agent-record', files: ['claim', 'reserve', 'output', 'agent'] },
  { point: 'keeper.after-go', files: ['claim', 'reserve', 'output', 'agent'] },
  { point: 'keeper.after-wait', files: ['claim', 'reserve', 'output', 'agent'] },
  { point: 'keeper.before-exit-rename', files: ['claim', 'reserve', 'output', 'agent'] },
  { point: 'keeper.after-exit-record', files: ['claim', 'output', 'agent', 'exit'] },
] as const;
const WATCHED = ['claim', 'reserve', 'output', 'agent', 'exit'] as const;

/** How an attempt is started: order, exactly once, and in what surroundings. */
export function testStarting(command: string[]): void {
  for (const { point, files } of STEPS) {
    test(`at ${point} exactly the earlier steps are on the disk`, async () => {
      await using trial = new Trial(command);
      await trial.prepare('exit 0');
      await trial.launch(`${point}:stop`);
      const keeper = await until('the keeper is stopped', () => findStopped(trial.runDir));
      assert.deepEqual(
        WATCHED.filter((name) => existsSync(join(trial.runDir, RUN_FILES[name]))),
        WATCHED.filter((name) => (files as readonly string[]).includes(name)),
      );
      const mayRun = STEPS.findIndex((step) => step.point === point) >= 5;
      if (!mayRun) assert.equal(trial.starts(), 0, 'the agent ran before go');
      process.kill(keeper, 'SIGCONT');
      assert.equal((await trial.exit()).code, 0);
      assert.equal(trial.starts(), 1);
    });
  }

  test('the exit record has its room from the start', async () => {
    await using trial = new Trial(command);
    await trial.prepare('exit 0');
    await trial.launch('keeper.after-reserve:stop');
    const keeper = await until('the keeper is stopped', () => findStopped(trial.runDir));
    const { size, blocks } = statSync(join(trial.runDir, RUN_FILES.reserve));
    assert.equal(size, RESERVE_BYTES);
    assert.ok(blocks * 512 >= RESERVE_BYTES, 'the reserve is a hole');
    process.kill(keeper, 'SIGCONT');
    await trial.exit();
  });

  test('agent.json names the process the agent is, in a session of its own, before it may run', async () => {
    await using trial = new Trial(command);
    await trial.start('exec sleep 60');
    await until('the agent says its pid', () => trial.starts() === 1);
    const record = await readAgent(trial.runDir, trial.attempt);
    const claim = await readClaim(trial.runDir, trial.attempt);
    assert.ok(record.kind === 'ok' && claim.kind === 'ok');
    const { pid, start } = record.record;
    assert.equal(trial.lines(trial.witness)[0], String(pid));
    const found = readProcess(pid);
    assert.deepEqual([found?.start, found?.session], [start, pid]);
    assert.equal(record.record.claim, claim.record.sum);
    const score = (of: number): number => Number(readFileSync(`/proc/${of}/oom_score_adj`, 'utf8'));
    assert.ok(score(pid) > score(claim.record.pid), 'under memory pressure the keeper would go first');
    assert.equal(readlinkSync(`/proc/${pid}/fd/0`), '/dev/null');
    assert.notEqual(readProcess(claim.record.pid)?.session, readProcess(process.pid)?.session);
  });

  test('the environment is the one of the specification and the secrets, which are gone after go', async () => {
    await using trial = new Trial(command);
    const env = { PATH: '/usr/bin:/bin', LONG: 'x'.repeat(5000), LINES: 'a\nb', EMPTY: '' };
    await trial.prepare('', { argv: ['cat', '/proc/self/environ'], env }, { API_KEY: 'k$`"\\' });
    assert.ok(!trial.text('spec.json').includes('k$`'), 'the secret is in the specification');
    await trial.launch();
    assert.equal((await trial.exit()).code, 0);
    const given = trial
      .text('output')
      .split('\0')
      .filter((line) => line !== '' && !line.startsWith('_='));
    const wanted = { ...env, API_KEY: 'k$`"\\', HOLDFAST_ATTEMPT: trial.attempt };
    assert.deepEqual(
      given.toSorted(),
      Object.entries(wanted)
        .map(([name, value]) => `${name}=${value}`)
        .toSorted(),
    );
    assert.ok(!existsSync(join(trial.runDir, RUN_FILES.secrets)), 'the secrets are still on the disk');
  });

  test('neither the keeper nor the agent holds what their starter had open', async () => {
    await using trial = new Trial(command);
    const path = join(trial.folder, 'held');
    writeFileSync(path, '');
    const fd = openSync(path, 'r');
    await trial.prepare('exec sleep 60');
    trial.launchHolding(fd);
    closeSync(fd);
    await until('the agent runs', () => trial.starts() === 1);
    const agent = Number(trial.lines(trial.witness)[0]);
    assert.deepEqual(openFiles(agent), ['/dev/null', join(trial.runDir, 'output'), join(trial.runDir, 'output')]);
    assert.ok(!openFiles((await trial.keeper()).pid).includes(path), 'the keeper holds it');
  });

  test('every byte of a large output is there, in order, and so is a separate stderr', async () => {
    await using trial = new Trial(command);
    const script = 'i=0; while [ $i -lt 20000 ]; do echo "line $i of a longer text"; i=$((i+1)); done; echo oops >&2';
    await trial.start(script, { mergeStderr: false });
    const exit = await trial.exit();
    const wanted = Array.from({ length: 20_000 }, (_, i) => `line ${i} of a longer text\n`).join('');
    assert.equal(sha256(trial.text('output')), sha256(wanted));
    assert.equal(trial.text('stderr'), 'oops\n');
    assert.deepEqual([exit.bytesOut, exit.bytesErr], [wanted.length, 5]);
  });

  test('stderr goes into the output in order when asked', async () => {
    await using trial = new Trial(command);
    await trial.start('echo 1; echo 2 >&2; echo 3');
    await trial.exit();
    assert.equal(trial.text('output'), '1\n2\n3\n');
  });

  test('arguments reach the agent unchanged', async () => {
    await using trial = new Trial(command);
    const args = ['', ' a  b ', '$HOME', '`id`', "it's", '"', '\\', '-n', 'ä\n\tz', '*'];
    await trial.start('', { argv: ['printf', '<%s>', ...args] });
    await trial.exit();
    assert.equal(trial.text('output'), args.map((arg) => `<${arg}>`).join(''));
  });
}

/** How a start that cannot succeed is recorded. */
export function testRefusals(command: string[]): void {
  const refusals = [
    { name: 'a command that does not exist', argv: ['no-such-command-here'], errno: 'ENOENT' },
    { name: 'a file that may not be executed', argv: ['./plain'], errno: 'EACCES' },
    { name: 'a directory', argv: ['/'], errno: 'EACCES' },
    { name: 'a script whose interpreter is missing', argv: ['./orphaned'], errno: 'ENOENT' },
    { name: 'arguments beyond what the kernel takes', argv: ['true', 'x'.repeat(200_000)], errno: 'E2BIG' },
  ];
  for (const { name, argv, errno } of refusals) {
    test(`${name} is recorded as never started`, async () => {
      await using trial = new Trial(command);
      writeFileSync(join(trial.folder, 'work', 'plain'), 'text');
      writeFileSync(join(trial.folder, 'work', 'orphaned'), '#!/no/such/interpreter\n', { mode: 0o755 });
      await trial.start('', { argv });
      const exit = await trial.exit();
      assert.deepEqual([exit.started, exit.code, exit.execErrno], [false, null, errno]);
      assert.deepEqual(await trial.verdict(), { kind: 'NEVER_RAN', row: 3, execErrno: errno });
    });
  }

  test('an exec that fails after go is recorded as never started', async () => {
    await using trial = new Trial(command);
    // The kernel follows five interpreters, not seven; no look beforehand sees that.
    const script = (n: number): string => join(trial.folder, 'work', `script-${n}`);
    writeFileSync(script(0), '#!/bin/sh\n');
    for (let n = 1; n < 8; n++) writeFileSync(script(n), `#!${script(n - 1)}\n`);
    for (let n = 0; n < 8; n++) chmodSync(script(n), 0o755);
    await trial.start('', { argv: [script(7)] });
    const exit = await trial.exit();
    assert.deepEqual([exit.started, exit.code], [false, null]);
    assert.equal((await trial.verdict()).kind, 'NEVER_RAN');
  });

  test('a missing directory is named, not taken for a missing shell', async () => {
    await using trial = new Trial(command);
    await trial.start('', { cwd: join(trial.folder, 'gone') });
    const exit = await trial.exit();
    assert.equal(exit.started, false);
    assert.match(exit.reason ?? '', /gone/);
  });

  test('a specification that was damaged starts nothing and claims nothing', async () => {
    await using trial = new Trial(command);
    await trial.prepare('exit 0');
    const path = join(trial.runDir, RUN_FILES.spec);
    writeFileSync(path, readFileSync(path, 'utf8').replace('600000', '600001'));
    await trial.launch();
    await until('the keeper says why', () => trial.text('keeper.log').includes('sum does not match'));
    assert.equal((await trial.evidence()).claim, 'none');
    assert.equal(trial.starts(), 0);
  });
}

/** Returns the pid of the stopped keeper, or null. */
function findStopped(runDir: string): number | null {
  return processesIn(runDir).find((one) => one.state === 'T')?.pid ?? null;
}

function openFiles(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
}
