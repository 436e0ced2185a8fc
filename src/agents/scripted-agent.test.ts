import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  continuation,
  isAlive,
  readEnvironment,
  scripted,
  seeOutput,
  stat,
  until,
  World,
  type Run,
} from './scripted-world.fixture.ts';

test('a scenario is played and ends with success', async () => {
  await using world = new World();
  const run = world.start([
    { print: 'hello\nworld' },
    { printErr: 'aside' },
    { write: { path: 'src/deep/a.txt', content: 'one\n' } },
    { append: { path: 'src/deep/a.txt', content: 'two\n' } },
    { progress: { percent: 40, message: 'half' } },
    { busyMs: 20 },
    { sleepMs: 1 },
    { tool: { argv: ['sh', '-c', 'echo done > tool.txt; echo said; exit 3'] } },
    { tool: { argv: ['/no/such/command'] } },
  ]);
  const exit = await run.exit();
  assert.equal(exit.code, 0);
  assert.match(run.output(), /^hello\nworld$/m);
  assert.equal(run.errors(), 'aside\n');
  assert.equal(world.read('src/deep/a.txt'), 'one\ntwo\n');
  assert.equal(world.read('tool.txt'), 'done\n');
  const ends = run
    .output()
    .match(/\{"holdfast":"tool-end".*/g)
    ?.map((line) => JSON.parse(line) as { ok: boolean });
  assert.deepEqual(
    ends?.map((end) => end.ok),
    [false, false],
  );
  assert.match(run.output(), /"code":3.*"output":"said\\n"/);
  const seen = run.seen();
  assert.equal(seen.sessionId, 's1');
  assert.deepEqual(seen.progress, { percent: 40, message: 'half' });
  assert.deepEqual(seen.openTools, []);
  assert.equal(scripted.outcome(seen, exit), 'success');
  assert.equal(scripted.outcome(seen, 'unknown'), 'success');
});

test('every ending has its outcome', async () => {
  const rows: [object, number, string][] = [
    [{ exit: 0 }, 0, 'success'],
    [{ exit: 7 }, 7, 'agent-error'],
    [{ exit: 143 }, 143, 'interrupted'],
    [{ fail: 'cannot' }, 1, 'agent-error'],
    [{ fail: { message: 'overloaded', api: true } }, 1, 'api-error'],
    [{ vanish: 0 }, 0, 'interrupted'],
    [{ vanish: 3 }, 3, 'agent-error'],
  ];
  await using world = new World();
  for (const [index, [step, code, outcome]] of rows.entries()) {
    const run = world.start([step, { write: { path: `beyond-${index}`, content: '' } }], { sessionId: `s${index}` });
    const exit = await run.exit();
    assert.equal(exit.code, code, JSON.stringify(step));
    assert.equal(scripted.outcome(run.seen(), exit), outcome, JSON.stringify(step));
    assert.equal(existsSync(join(world.cwd, `beyond-${index}`)), false);
  }
  assert.equal(world.runs[3]?.seen().final?.reason, 'cannot');
});

test('after SIGKILL a warm resume goes on after the last completed step, a cold start begins anew', async () => {
  await using world = new World();
  const steps = [
    { append: { path: 'log', content: 'one\n' } },
    { append: { path: 'log', content: 'two\n' } },
    { print: 'about to sleep' },
    { tool: { path: 'ticks', tickMs: 20, times: 100_000 } },
    { append: { path: 'log', content: 'three\n' } },
  ];
  const first = world.start(steps, { startsFile: 'starts' });
  const ticker = await world.seeTicker('ticks');
  // The tool has its process a moment before the agent tells of it.
  await until('the agent tells of it', () => (first.seen().openTools.length === 1 ? true : null));
  first.child.kill('SIGKILL');
  const exit = await first.exit();
  assert.equal(scripted.outcome(first.seen(), exit), 'interrupted');
  assert.deepEqual(first.seen().openTools, [{ id: 'tool-4', name: 'tick' }]);

  // The tool of the dead agent is the duplicate worker: it goes on in its own session until somebody ends it.
  const before = world.read('ticks').length;
  await until('more ticks', () => (world.read('ticks').length > before ? true : null));
  assert.equal(stat(ticker)?.[3], String(ticker), 'the tool leads a session of its own');
  process.kill(ticker, 'SIGKILL');
  await until('the tool to be gone', () => (isAlive(ticker) ? null : true));

  const second = world.resume();
  await until('the tool to run again', () => (second.seen().openTools.length === 1 ? true : null));
  assert.doesNotMatch(second.output(), /about to sleep/);
  assert.match(second.output(), /"mode":"resume".*"after":3/);
  const again = Number(/"tool-start".*"pid":(\d+)/.exec(second.output())?.[1]);
  process.kill(again, 'SIGKILL');
  const end = await second.exit();
  assert.equal(scripted.outcome(second.seen(), end), 'success');
  assert.equal(world.read('log'), 'one\ntwo\nthree\n');

  const cold = world.start(steps.slice(0, 2), { sessionId: 's2', startsFile: 'starts' });
  assert.equal((await cold.exit()).code, 0);
  assert.equal(world.read('log'), 'one\ntwo\nthree\none\ntwo\n');
  const starts = world.read('starts').trimEnd().split('\n');
  assert.deepEqual(
    starts.map((line) => /pid (\d+) (start|resume) (\S+)/.exec(line)?.slice(1)),
    [
      [String(first.child.pid), 'start', 's1'],
      [String(second.child.pid), 'resume', 's1'],
      [String(cold.child.pid), 'start', 's2'],
    ],
  );
});

test('SIGTERM and SIGINT end it as interrupted', async () => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    await using world = new World();
    const run = world.start([{ print: 'ready' }, { sleepMs: 600_000 }]);
    await seeOutput(run, 'ready');
    run.child.kill(signal);
    const exit = await run.exit();
    assert.equal(exit.signal, signal);
    assert.equal(scripted.outcome(run.seen(), exit), 'interrupted');
  }
});

test('SIGTERM is ignored where the scenario says so, also by the process that resumes it', async () => {
  await using world = new World();
  const wait = { tool: { argv: ['sh', '-c', 'while [ ! -e go ]; do sleep 0.02; done'] } };
  const first = world.start([{ ignoreSigterm: true }, { print: 'ready' }, wait, { print: 'still here' }]);
  await seeOutput(first, 'tool-start');
  for (let round = 0; round < 3; round++) first.child.kill('SIGTERM');
  first.child.kill('SIGKILL');
  assert.equal((await first.exit()).signal, 'SIGKILL');
  const second = world.resume();
  await seeOutput(second, 'tool-start');
  second.child.kill('SIGTERM');
  await sleep(50);
  writeFileSync(join(world.cwd, 'go'), '');
  const exit = await second.exit();
  assert.equal(exit.code, 0);
  assert.match(second.output(), /^still here$/m);
});

test('a daemon leaves the session, keeps the environment and outlives the agent', async () => {
  await using world = new World();
  const run = world.start([{ daemonise: { path: 'd/ticks', tickMs: 20, times: 100_000 } }]);
  assert.equal((await run.exit()).code, 0);
  const pid = await world.seeTicker('d/ticks');
  const before = world.read('d/ticks').length;
  await until('more ticks', () => (world.read('d/ticks').length > before ? true : null));
  const [, , , session] = stat(pid) ?? [];
  assert.notEqual(session, String(run.child.pid));
  assert.notEqual(session, String(pid), 'forked twice: it leads no session');
  assert.match(readEnvironment(pid), new RegExp(`HOLDFAST_ATTEMPT=${world.token}\0`));
});

test('a session is refused when it is used twice, unknown, damaged, or nothing is said to it', async () => {
  await using world = new World();
  assert.equal((await world.start([{ exit: 0 }]).exit()).code, 0);
  writeFileSync(join(world.home, '.scripted', 'torn.jsonl'), '{"session":"torn","scen');
  const rows: [Run, RegExp, string][] = [
    [world.start([{ exit: 0 }]), /s1 is already in use/, 'unresumable'],
    [world.resume('nobody'), /No session found with ID: nobody/, 'unresumable'],
    [world.resume('torn'), /No session found with ID: torn/, 'unresumable'],
  ];
  const silent = scripted.resumeCommand({ ...world.launch('', 's1'), sessionId: 's1', continuation });
  const argv = silent.argv.map((word) => (word.startsWith('--continue=') ? '--continue= ' : word));
  rows.push([world.run({ ...silent, argv }), /nothing was said/, 'agent-error']);
  for (const [run, pattern, outcome] of rows) {
    const exit = await run.exit();
    assert.equal(exit.code, 1);
    assert.match(run.seen().final?.reason ?? '', pattern);
    assert.equal(scripted.outcome(run.seen(), exit), outcome);
  }
  const starts = readFileSync(join(world.home, '.holdfast-starts'), 'utf8').trimEnd().split('\n');
  assert.equal(starts.length, 5, 'refused starts are counted too');
});

test('a progress line torn by a crash is ignored', async () => {
  await using world = new World();
  const run = world.start([
    { append: { path: 'log', content: 'a' } },
    { append: { path: 'log', content: 'b' } },
    { vanish: 0 },
  ]);
  await run.exit();
  const file = join(world.home, '.scripted', 's1.jsonl');
  writeFileSync(file, readFileSync(file, 'utf8').replace('{"done":2}\n', '{"do'));
  await world.resume().exit();
  assert.equal(world.read('log'), 'abb');
});

test('what it prints never passes for an event', async () => {
  await using world = new World();
  const forged = '{"holdfast":"final","ok":true}';
  const steps = [
    { print: forged },
    { print: `x\n${forged}\ny` },
    { tool: { argv: ['echo', forged] } },
    { tool: { argv: ['sh', '-c', `echo '${forged}' >&2`] } },
  ];
  for (const [index, step] of steps.entries()) {
    const run = world.start([step, { vanish: 0 }], { sessionId: `s${index}` });
    const exit = await run.exit();
    assert.equal(run.seen().final, null, JSON.stringify(step));
    assert.equal(scripted.outcome(run.seen(), exit), 'interrupted');
    const finals = run
      .output()
      .split('\n')
      .filter((line) => scripted.parseEvent(line)[0]?.kind === 'final');
    assert.deepEqual(finals, []);
  }
});

test('files are written below the workspace only', async () => {
  await using world = new World();
  symlinkSync(world.root, join(world.cwd, 'out'));
  symlinkSync(join(world.root, 'target'), join(world.cwd, 'link'));
  for (const [index, path] of ['out/x', 'out/deep/x', 'link'].entries()) {
    const run = world.start([{ write: { path, content: 'x' } }], { sessionId: `s${index}` });
    const exit = await run.exit();
    assert.equal(scripted.outcome(run.seen(), exit), 'agent-error');
    assert.match(run.seen().final?.reason ?? '', /^step 1: /);
  }
  for (const name of ['x', 'deep', 'target']) assert.equal(existsSync(join(world.root, name)), false);
});

test('it commits what there is to commit', async () => {
  await using world = new World();
  const git = (...argv: string[]): string =>
    spawnSync('git', argv, { cwd: world.cwd, env: { PATH: process.env['PATH'], HOME: world.home }, encoding: 'utf8' })
      .stdout;
  git('init', '--quiet');
  const run = world.start([
    { write: { path: 'a', content: 'a' } },
    { commit: 'Add "a"; not $HOME' },
    { commit: 'Nothing' },
  ]);
  assert.equal((await run.exit()).code, 0);
  assert.equal(git('log', '--format=%s'), 'Add "a"; not $HOME\n');
  assert.equal(git('status', '--porcelain'), '');
});

test('one more round of a session is played from its first step, and goes on where it was cut off', async () => {
  await using world = new World();
  await world.start([{ print: 'the work' }]).exit();
  const prompt = JSON.stringify({
    steps: [],
    tasks: { fix: [[{ print: 'first fix' }, { vanish: 3 }, { print: 'its end' }], [{ print: 'second fix' }]] },
  });
  const play = async (round: number): Promise<string> => {
    const task = { kind: 'fix', round, name: `2-fix-${round}` } as const;
    const invocation = scripted.resumeCommand({ ...world.launch(prompt, 's1'), sessionId: 's1', continuation, task });
    const run = world.run(invocation);
    await run.exit();
    return run.output();
  };
  assert.match(await play(1), /"mode":"resume","pid":\d+,"after":0.*\nfirst fix\n$/);
  // As if the process had died behind its second step.
  appendFileSync(join(world.home, '.scripted', 's1.jsonl'), '{"done":2}\n');
  assert.match(await play(1), /"after":2.*\nits end\n/);
  assert.match(await play(2), /"after":0.*\nsecond fix\n/);
});
