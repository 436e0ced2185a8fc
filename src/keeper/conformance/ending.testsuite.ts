import assert from 'node:assert/strict';
import { createConnection } from 'node:net';
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isAlive } from '../host-identity.ts';
import { signalProcess } from '../processes.ts';
import { RUN_FILES } from '../protocol.ts';
import { readLimits } from '../run-directory.ts';
import { readSentinel } from '../sentinel.ts';
import { Trial, until } from './trial.ts';

/** How the end of an agent is recorded, and that nothing of it is left. */
export function testEnding(command: string[]): void {
  for (const [script, code, signal] of [
    ['exit 0', 0, null],
    ['exit 3', 3, null],
    ['exit 255', 255, null],
    ['kill -9 $$', null, 'SIGKILL'],
    ['kill -15 $$', null, 'SIGTERM'],
    ['kill -11 $$', null, 'SIGSEGV'],
  ] as const) {
    test(`"${script}" is recorded as it was`, async () => {
      await using trial = new Trial(command);
      await trial.start(script);
      const exit = await trial.exit();
      assert.deepEqual([exit.started, exit.code, exit.signal, exit.stoppedBy], [true, code, signal, null]);
      assert.equal((await trial.verdict()).kind, 'FINISHED');
      assert.ok(!existsSync(join(trial.runDir, RUN_FILES.socket)), 'the socket is left');
      assert.ok(!existsSync(join(trial.runDir, RUN_FILES.reserve)), 'the reserve is left');
    });
  }

  const strays: Record<string, string> = {
    'in the background': 'sh -c "TICK" &',
    'in a new session': 'setsid sh -c "TICK" &',
    'daemonised twice over': '(setsid sh -c "(sh -c \\"TICK\\" &) &" &) &',
    'deaf to every signal it can be': 'trap "" TERM HUP INT; setsid sh -c "TICK" &',
    'in its session, without the token': 'env -i PATH="$PATH" sh -c "TICK" &',
  };
  for (const [kind, start] of Object.entries(strays)) {
    test(`a process left ${kind} is dead when the keeper is`, async () => {
      await using trial = new Trial(command);
      const ticks = join(trial.folder, 'ticks');
      const tick = `while :; do echo tick >>'${ticks}'; sleep 0.02; done`;
      await trial.start(`${start.replace('TICK', tick)}\nuntil [ -s '${ticks}' ]; do sleep 0.01; done; exit 4`);
      assert.equal((await trial.exit()).code, 4);
      const size = statSync(ticks).size;
      assert.ok(size > 0);
      assert.deepEqual(trial.tokens(), []);
      await new Promise((resolve) => setTimeout(resolve, 100));
      assert.equal(statSync(ticks).size, size, 'it writes on');
    });
  }
}

/** How an agent is stopped. */
export function testStopping(command: string[]): void {
  test('an agent that obeys is asked only', async () => {
    await using trial = new Trial(command);
    await trial.start(`trap 'echo bye; exit 9' TERM; echo up; while :; do sleep 0.02; done`, { graceMs: 60_000 });
    const keeper = await trial.connect();
    await until('the agent is up', () => trial.text('output').includes('up'));
    await keeper.stop('cancelled by a test');
    const exit = await trial.exit();
    assert.deepEqual([exit.code, exit.signal, exit.stoppedBy, exit.reason], [9, null, 'stop', 'cancelled by a test']);
    assert.match(trial.text('output'), /^up\n(.*\n)?bye\n$/);
    await keeper.ended;
  });

  test('an agent and a tool that ignore it are killed after the grace', async () => {
    await using trial = new Trial(command);
    const loop = `trap '' TERM; echo up; while :; do sleep 0.02; done`;
    await trial.start(`setsid sh -c "${loop}" & ${loop}`, { graceMs: 100 });
    const keeper = await trial.connect();
    await until('both are up', () => trial.text('output') === 'up\nup\n');
    await keeper.stop('enough');
    const exit = await trial.exit();
    assert.deepEqual([exit.code, exit.signal, exit.stoppedBy], [null, 'SIGKILL', 'stop']);
    assert.deepEqual(trial.tokens(), []);
    keeper.close();
  });

  test('kill does not ask', async () => {
    await using trial = new Trial(command);
    await trial.start(`trap 'echo bye; exit 9' TERM; echo up; while :; do sleep 0.02; done`, { graceMs: 60_000 });
    const keeper = await trial.connect();
    await until('the agent is up', () => trial.text('output').includes('up'));
    await keeper.kill('at once');
    assert.equal((await trial.exit()).signal, 'SIGKILL');
    assert.equal(trial.text('output'), 'up\n');
    keeper.close();
  });

  test('a keeper asked to end by the host asks the agent and waits as long as it takes', async () => {
    await using trial = new Trial(command);
    const gate = join(trial.folder, 'gate');
    await trial.start(`trap 'echo asked' TERM; echo up; until [ -e '${gate}' ]; do sleep 0.02; done; exit 6`, {
      graceMs: 10,
    });
    await until('the agent is up', () => trial.text('output').includes('up'));
    const keeper = await trial.keeper();
    signalProcess(keeper, 'SIGTERM');
    await until('the agent was asked', () => trial.text('output').includes('asked'));
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.ok(isAlive(keeper), 'the keeper left');
    writeFileSync(gate, '');
    const exit = await trial.exit();
    assert.deepEqual([exit.code, exit.stoppedBy], [6, 'host']);
  });
}

/** What is said on the control socket. */
export function testControl(command: string[]): void {
  test('status tells who lives and how much it has said', async () => {
    await using trial = new Trial(command);
    await trial.start('echo four; exec sleep 60');
    await until('it has said something', () => trial.text('output') === 'four\n');
    const keeper = await trial.connect();
    const status = await keeper.status(10_000);
    const evidence = await trial.evidence();
    assert.deepEqual(status, {
      attempt: trial.attempt,
      keeper: evidence.keeper,
      agent: evidence.agent,
      phase: 'running',
      bytesOut: 5,
      bytesErr: 0,
    });
    assert.equal((await trial.verdict()).kind, 'RUNNING');
    keeper.close();
  });

  test('nonsense is answered, and the keeper goes on', async () => {
    await using trial = new Trial(command);
    await trial.start('exec sleep 60');
    const keeper = await trial.connect();
    const socket = await dialRaw(trial.runDir);
    let answers = '';
    socket.on('data', (data) => (answers += data.toString()));
    socket.write('{"op":"dance"}\nnot json\n{"op":"extend","wallMs":"x"}\n{"op":"status"}\n');
    const lines = await until('four answers', () => (answers.split('\n').length === 5 ? answers.split('\n') : null));
    const oks = lines.slice(0, 4).map((line) => (JSON.parse(line) as { ok: boolean }).ok);
    assert.deepEqual(oks, [false, false, false, true]);
    socket.destroy();
    assert.equal((await keeper.status(10_000))?.phase, 'running');
    keeper.close();
  });

  test('a client that does not read is dropped, and nobody else notices', async () => {
    await using trial = new Trial(command);
    await trial.start('exec sleep 60');
    const keeper = await trial.connect();
    const socket = await dialRaw(trial.runDir);
    socket.pause();
    let isClosed = false;
    socket.on('close', () => (isClosed = true)).on('error', () => (isClosed = true));
    const flood = '{"op":"status"}\n'.repeat(1000);
    await until('it is dropped', () => {
      if (!isClosed) socket.write(flood);
      return isClosed;
    });
    assert.equal((await keeper.status(10_000))?.phase, 'running');
    keeper.close();
  });

  test('a stopped keeper connects but does not answer, and is alive', async () => {
    await using trial = new Trial(command);
    await trial.start('exec sleep 60');
    (await trial.connect()).close();
    const keeper = await trial.keeper();
    signalProcess(keeper, 'SIGSTOP');
    const connection = await trial.connect();
    assert.equal(await connection.status(200), null);
    assert.equal((await trial.verdict()).kind, 'RUNNING');
    signalProcess(keeper, 'SIGCONT');
    assert.equal((await connection.status(10_000))?.phase, 'running');
    connection.close();
  });

  test('the sentinel says who and how far', async () => {
    await using trial = new Trial(command);
    await trial.start('exec sleep 60', { agentEngine: 'claude', sessionId: 'a-session' });
    const reading = await until('a heartbeat', async () => {
      const found = await readSentinel(trial.runDir, trial.attempt);
      return found.kind === 'ok' ? found.record : null;
    });
    const { agent, keeper } = await trial.evidence();
    assert.deepEqual([reading.pid, reading.startTime, reading.keeperPid], [agent?.pid, agent?.start, keeper?.pid]);
    assert.deepEqual([reading.agentEngine, reading.sessionId], ['claude', 'a-session']);
    assert.ok(Math.abs(Date.now() - reading.lastHeartbeat) < 60_000);
  });
}

/** Limits, with no server anywhere. */
export function testLimits(command: string[]): void {
  const limits = { wallMs: 600_000, idleMs: 600_000, outputBytes: 1 << 30 };

  test('an agent that runs too long is stopped', async () => {
    await using trial = new Trial(command);
    await trial.start('while :; do echo .; sleep 0.02; done', { limits: { ...limits, wallMs: 400 } });
    assert.equal((await trial.exit()).stoppedBy, 'wall');
    assert.deepEqual(trial.tokens(), []);
  });

  test('an agent that does nothing is stopped', async () => {
    await using trial = new Trial(command);
    await trial.start('exec sleep 60', { limits: { ...limits, idleMs: 300 } });
    const exit = await trial.exit();
    assert.deepEqual([exit.stoppedBy, exit.signal], ['idle', 'SIGTERM']);
  });

  test('output alone is a sign of life', async () => {
    await using trial = new Trial(command);
    const script = 'i=0; while [ $i -lt 15 ]; do echo $i; sleep 0.1; i=$((i+1)); done; exit 3';
    await trial.start(script, { limits: { ...limits, idleMs: 500 } });
    const exit = await trial.exit();
    assert.deepEqual([exit.code, exit.stoppedBy], [3, null]);
  });

  test('silence is no idleness while a tool in another session uses the CPU', async () => {
    await using trial = new Trial(command);
    const busy = 'i=0; while [ $i -lt 1000000 ]; do i=$((i+1)); done';
    await trial.start(`setsid sh -c '${busy}' & wait; exit 7`, { limits: { ...limits, idleMs: 400 } });
    const exit = await trial.exit();
    assert.deepEqual([exit.code, exit.stoppedBy], [7, null]);
  });

  test('an agent that says too much is stopped, and what it said is there', async () => {
    await using trial = new Trial(command);
    await trial.start('exec yes', { limits: { ...limits, outputBytes: 100_000 } });
    const exit = await trial.exit();
    assert.equal(exit.stoppedBy, 'output');
    assert.ok(exit.bytesOut > 100_000);
  });

  test('an extended limit counts, and outlives the keeper', async () => {
    await using trial = new Trial(command);
    await trial.start('sleep 1.5; exit 8', { limits: { ...limits, idleMs: 700, wallMs: 700 } });
    const keeper = await trial.connect();
    await keeper.extend({ idleMs: 60_000, wallMs: 90_000 });
    await keeper.extend({ idleMs: 5, wallMs: 5 });
    const record = await readLimits(trial.runDir, trial.attempt);
    assert.ok(record.kind === 'ok');
    assert.deepEqual([record.record.wallMs, record.record.idleMs], [90_000, 60_000]);
    const exit = await trial.exit();
    assert.deepEqual([exit.code, exit.stoppedBy], [8, null]);
    keeper.close();
  });
}

function dialRaw(runDir: string): Promise<ReturnType<typeof createConnection>> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ path: join(runDir, RUN_FILES.socket) });
    socket.once('connect', () => resolve(socket)).once('error', reject);
  });
}
