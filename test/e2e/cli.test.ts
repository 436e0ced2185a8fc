/** The command line against real servers, keepers and agents; every process of a test ends with its world. */
import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { isAlive, readProcess } from '../../src/keeper/host-identity.ts';
import { signalProcess } from '../../src/keeper/processes.ts';
import { readServerFile } from '../../src/server/server-file.ts';
import { until } from '../support/poll.ts';
import { git } from '../support/repository.ts';
import { World } from '../support/world.ts';
import { run, start, type Finished } from './command.ts';

/** Prints 1 to n, one line every `pause` seconds, then exits with `code`. */
function counting(n: number, pause: number, code: number): string[] {
  const script = `i=0; while [ $i -lt ${n} ]; do i=$((i+1)); echo line $i; sleep ${pause}; done; exit ${code}`;
  return ['--', 'sh', '-c', script];
}

function lines(n: number): string {
  return Array.from({ length: n }, (_unused, i) => `line ${i + 1}\n`).join('');
}

function parse(result: Finished): Record<string, unknown> {
  return JSON.parse(result.stdout) as Record<string, unknown>;
}

test('run on a machine without a server registers the checkout, starts a server, follows, and tells the exit', async () => {
  await using world = await World.create();
  const inside = join(world.repository, '.git');
  const first = await start(world, ['run', '--follow', ...counting(3, 0, 7)], { cwd: world.repository }).finish();
  assert.deepEqual([first.code, first.stdout], [7, lines(3)], first.stderr);
  assert.match(first.stderr, /started a server at http[^]*registered .*repository[^]*failed · exit code 7/);
  const second = await run(world, ['run', '--wait', '--', 'true'], { cwd: inside });
  assert.deepEqual([second.code, second.stdout], [0, '2\n'], second.stderr);
  assert.doesNotMatch(second.stderr, /started a server|registered/);
  const repositories = parse(await run(world, ['repo', 'list', '--json']));
  assert.equal((repositories['items'] as unknown[]).length, 1);
  const outside = await run(world, ['run', '--', 'true']);
  assert.equal(outside.code, 2);
  assert.match(outside.stderr, /not inside a git repository/);
});

test('a follower goes on through two kills of the server without losing or repeating a byte', async () => {
  await using world = await World.create();
  await world.start();
  await world.register();
  const follower = start(world, ['run', '--repo', 'demo', '--follow', ...counting(40, 0.15, 7)]);
  for (const seen of [6, 20]) {
    await until(`${seen} lines arrived`, () => follower.stdout().toString().split('\n').length > seen);
    await world.kill();
    await until('the follower says that the server is gone', () =>
      follower.stderr().trimEnd().split('\n').at(-1)?.includes('server gone'),
    );
    // The new server listens on another port; the home is where the follower finds it.
    await world.start();
  }
  const second = start(world, ['logs', '-f', '1']);
  const third = start(world, ['wait', '1']);
  const [result, logs, wait] = await Promise.all([follower.finish(), second.finish(), third.finish()]);
  assert.equal(result.stdout, lines(40));
  assert.equal(result.code, 7, result.stderr);
  assert.equal(result.stderr.match(/server gone/g)?.length, 2, result.stderr);
  assert.deepEqual([logs.code, logs.stdout], [7, lines(40)], logs.stderr);
  assert.equal(wait.code, 7);
  const job = parse(await run(world, ['show', '1', '--json']));
  assert.deepEqual([job['state'], job['exitCode'], job['attempts']], ['failed', 7, 1]);
  assert.equal(await readFile(String(job['outputFile']), 'utf8'), lines(40));
  const report = await run(world, ['recovery', 'report']);
  assert.match(report.stdout, /previous stop: crash[^]*job 1 reattached[^]*RUNNING/);
});

test('a stopped server is told of within seconds by every command, and goes on where it was', async () => {
  await using world = await World.create();
  await world.start();
  await world.register();
  assert.ok(world.server !== null);
  const { identity } = world.server;
  signalProcess(identity, 'SIGSTOP');
  // On a busy machine the signal takes its time.
  await until('it is stopped', () => readProcess(identity.pid)?.state === 'T');
  const [status, jobs, submit, begin] = await Promise.all([
    run(world, ['server', 'status']),
    run(world, ['jobs']),
    run(world, ['run', '--repo', 'demo', '--', 'true']),
    run(world, ['server', 'start']),
  ]);
  assert.equal(status.code, 6);
  assert.match(status.stdout, /stopped by a signal; `kill -CONT \d+` lets it go on/);
  for (const result of [jobs, submit]) {
    assert.equal(result.code, 6, result.stderr);
    assert.match(result.stderr, /does not answer: it hangs, or was stopped[^]*--takeover/);
    assert.doesNotMatch(result.stderr, /trying again/);
  }
  assert.match(begin.stderr, /a server runs already at .*: stopped by a signal/);
  signalProcess(world.server.identity, 'SIGCONT');
  const after = await run(world, ['jobs', '--json']);
  assert.deepEqual([after.code, parse(after)['items']], [0, []], 'what was refused was not accepted');
});

test('Ctrl-C detaches from a job and says how to come back; the job goes on', async () => {
  await using world = await World.create();
  await world.start();
  await world.register();
  const follower = start(world, ['run', '--repo', 'demo', '--follow', ...counting(1000, 0.1, 0)]);
  await until('output arrives', () => follower.stdout().length > 0);
  for (const [args, hint] of [
    [['logs', '-f', '1'], /holdfast logs -f 1/],
    [['wait', '1'], /holdfast wait 1/],
    [['events', '-f', '--after', '0'], /holdfast events -f/],
  ] as const) {
    const other = start(world, args);
    await until('it is at work', () => other.stdout().length > 0 || other.stderr().length > 0);
    other.child.kill('SIGINT');
    const { code, stderr } = await other.finish();
    assert.equal(code, 130, stderr);
    assert.match(stderr, hint);
  }
  follower.child.kill('SIGINT');
  const detached = await follower.finish();
  assert.equal(detached.code, 130);
  assert.match(detached.stderr, /it goes on[^]*holdfast logs -f 1/);
  const before = (await world.readOutput('1')).length;
  await until('the job prints on', async () => (await world.readOutput('1')).length > before);
  const timeout = await run(world, ['wait', '1', '--timeout', '200ms']);
  assert.equal(timeout.code, 124, timeout.stderr);
  assert.equal((await run(world, ['cancel', '1'])).code, 0);
  const cancelled = await run(world, ['wait', '1']);
  assert.equal(cancelled.code, 7, cancelled.stderr);
  assert.equal((await run(world, ['cancel', '1'])).code, 5);
  assert.equal((await run(world, ['retry', '1'])).code, 0);
  assert.equal((await run(world, ['cancel', '1', '99'])).code, 3);
});

test('a job is held, started, listed, shown, read and compared', async () => {
  await using world = await World.create();
  await world.start();
  await world.register();
  const script = 'echo out; echo err >&2; printf "no end"; echo changed >>README.md; echo new >new.txt';
  const held = await run(world, [
    'run',
    '--repo',
    'demo',
    '--hold',
    '--priority',
    '5',
    '--timeout',
    '1h',
    '--',
    'sh',
    '-c',
    script,
  ]);
  assert.deepEqual([held.code, held.stdout], [0, '1\n'], held.stderr);
  assert.match((await run(world, ['show', '1'])).stdout, /created[^]*start: holdfast start 1/);
  assert.equal((await run(world, ['start', '1'])).code, 0);
  assert.equal((await run(world, ['wait', '1'])).code, 0);
  const id = String(parse(await run(world, ['show', '1', '--json']))['id']);
  for (const reference of ['1', id, id.slice(0, -3)]) {
    assert.equal((await run(world, ['logs', reference])).stdout, 'out\nerr\nno end');
  }
  for (const [count, expected] of [
    [0, ''],
    [1, 'no end'],
    [2, 'err\nno end'],
    [9, 'out\nerr\nno end'],
  ] as const) {
    assert.equal((await run(world, ['logs', '1', '-n', String(count)])).stdout, expected);
  }
  const frame = parse(await run(world, ['logs', '1', '--json']));
  assert.equal(Buffer.from(String(frame['data']), 'base64').toString(), 'out\nerr\nno end');
  const diff = (await run(world, ['diff', '1'])).stdout;
  assert.match(diff, /\+changed[^]*new\.txt[^]*\+new/);
  assert.match((await run(world, ['jobs'])).stdout, /JOB .*STATE[^]*1 .*completed/);
  assert.match((await run(world, ['queue'])).stderr, /empty/);
  assert.match((await run(world, ['events'])).stdout, /job\.accept|job\.complete/);
  const told = (await run(world, ['events', '--json'])).stdout.trim().split('\n');
  const kinds = told.map((line) => (JSON.parse(line) as { kind: string }).kind);
  // The check of history may end, and be told, beside the job.
  assert.equal(
    kinds.findLast((kind) => kind.startsWith('job.')),
    'job.complete',
  );
  const last = (await run(world, ['events', '-n', '1', '--json'])).stdout;
  assert.match(last, /^\{.*\}\n$/);
  assert.equal((await run(world, ['logs', '1', '--attempt', '2'])).code, 3);
  const key = ['--repo', 'demo', '--idempotency-key', 'k1', '--', 'true'];
  assert.deepEqual(
    [(await run(world, ['run', ...key])).stdout, (await run(world, ['run', ...key])).stdout],
    ['2\n', '2\n'],
  );
  const other = await run(world, ['run', '--repo', 'demo', '--idempotency-key', 'k1', '--', 'false']);
  assert.equal(other.code, 5, other.stderr);
});

test('repositories and tokens are managed, and every refusal has its exit code', async () => {
  await using world = await World.create();
  await world.start();
  const added = await run(world, [
    'repo',
    'add',
    'repository',
    '--name',
    'web',
    '--verify',
    "sh -c 'exit 0'",
    '--concurrency',
    '2',
  ]);
  assert.deepEqual([added.code, added.stdout], [0, 'web\n'], added.stderr);
  assert.equal((await run(world, ['repo', 'add', 'repository', '--name', 'web'])).code, 5);
  assert.equal((await run(world, ['repo', 'add', 'witness', '--name', 'x'])).code, 2);
  assert.equal((await run(world, ['repo', 'update', 'web', '--merge', '--command', 'make all'])).code, 0);
  const shown = parse(await run(world, ['repo', 'show', 'web', '--json']));
  assert.deepEqual(
    [shown['merge'], shown['command'], shown['verify']],
    [true, ['make', 'all'], [['sh', '-c', 'exit 0']]],
  );
  assert.equal((await run(world, ['repo', 'show', 'nope'])).code, 3);
  assert.equal((await run(world, ['repo', 'remove', 'web'])).code, 2);
  await until('its mirror is made', async () => {
    return parse(await run(world, ['repo', 'show', 'web', '--json']))['cloneState'] === 'ready';
  });
  const removed = await run(world, ['repo', 'remove', 'web', '--yes']);
  assert.equal(removed.code, 0, removed.stderr);
  assert.equal((await run(world, ['run', '--repo', 'web', '--', 'true'])).code, 3);
  await world.register();
  const unknown = await run(world, ['run', '--repo', 'demo', '--agent', 'nope', '-'], { input: 'do it' });
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, /unknown-agent/);
  assert.equal(
    (await run(world, ['run', '--repo', 'demo', '--agent', 'claude-code', 'x'], { env: { PATH: '/nonexistent' } }))
      .code,
    2,
  );

  const token = (await run(world, ['token', 'create', 'ci'])).stdout.trim();
  const asToken = (value: string): Promise<Finished> => run(world, ['jobs'], { env: { HOLDFAST_TOKEN: value } });
  assert.equal((await asToken(token)).code, 0);
  const { items } = parse(await run(world, ['token', 'list', '--json'])) as { items: { id: string; name: string }[] };
  assert.deepEqual(
    items.map((item) => item.name),
    ['ci'],
  );
  assert.equal((await run(world, ['token', 'revoke', items[0]?.id ?? ''])).code, 0);
  const refused = await asToken(token);
  assert.equal(refused.code, 4, refused.stderr);
  const url = (await readServerFile(world.home.serverFile))?.url ?? '';
  const elsewhere = join(world.root, 'elsewhere');
  assert.equal((await run(world, ['jobs', '--url', url])).code, 0);
  assert.equal((await run(world, ['jobs', '--url', url, '--home', elsewhere])).code, 4);
  const doctor = await run(world, ['doctor', '--deep', '--json']);
  assert.ok([0, 1].includes(doctor.code ?? -1), doctor.stderr);
  const checks = (parse(doctor)['checks'] as { name: string; level: string }[]).map((check) => check.name);
  for (const name of ['server', 'node', 'git', 'home', 'store']) assert.ok(checks.includes(name), name);
});

test('a detached server starts once however many ask, is found by its identity, and stops', async () => {
  await using world = await World.create();
  const before = parse(await run(world, ['server', 'status', '--json']));
  assert.deepEqual([before['running'], before['ready']], [false, false]);
  const results = await Promise.all(
    [1, 2, 3].map(() => start(world, ['run', '--wait', '--', 'true'], { cwd: world.repository }).finish()),
  );
  for (const { code, stderr } of results) assert.equal(code, 0, stderr);
  const info = await readServerFile(world.home.serverFile);
  assert.ok(info !== null && isAlive(info));
  const status = parse(await run(world, ['server', 'status', '--json']));
  assert.deepEqual([status['ready'], status['pid'], status['bootId']], [true, info.pid, info.bootId]);
  const again = parse(await run(world, ['server', 'start', '--json']));
  assert.equal(again['pid'], info.pid);
  const rival = await start(world, ['serve', '--port', '0']).finish();
  assert.equal(rival.code, 5, rival.stderr);
  assert.ok(rival.stderr.includes(String(info.pid)), rival.stderr);
  const boots = parse(await run(world, ['recovery', 'report', '--list', '--json']))['items'] as unknown[];
  assert.equal(boots.length, 1, 'exactly one server ever got the home');
  const stopped = parse(await run(world, ['server', 'stop', '--json']));
  assert.deepEqual(stopped, { stopped: true, pid: info.pid });
  assert.equal(isAlive(info), false);
  assert.equal((await run(world, ['server', 'status'])).code, 6);
  assert.equal((await run(world, ['jobs'])).code, 6);
  assert.deepEqual(parse(await run(world, ['server', 'stop', '--json'])), { stopped: false, pid: null });
});

test('a server that cannot start says why, with the exit code of the reason', async () => {
  await using world = await World.create();
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  try {
    const address = taken.address();
    const port = typeof address === 'object' && address !== null ? String(address.port) : '';
    const busy = await run(world, ['server', 'start', '--port', port]);
    assert.deepEqual([busy.code, /port-in-use/.test(busy.stderr)], [5, true], busy.stderr);
    assert.equal((await start(world, ['serve', '--port', port]).finish()).code, 5);
  } finally {
    taken.close();
  }
  const config = await run(world, ['server', 'start', '--config', 'missing.json']);
  assert.deepEqual([config.code, /missing\.json/.test(config.stderr)], [2, true], config.stderr);
  const home = join(world.repository, 'README.md');
  const file = await run(world, ['server', 'start', '--home', home]);
  assert.deepEqual([file.code, /home-unusable/.test(file.stderr)], [1, true], file.stderr);
  assert.equal((await start(world, ['serve', '--host', '0.0.0.0']).finish()).code, 2);
});

test('the demo proves what it claims and leaves nothing behind', async () => {
  await using world = await World.create();
  const told = await start(world, ['demo']).finish();
  assert.equal(told.code, 0, told.stdout + told.stderr);
  assert.match(
    told.stdout,
    /SIGKILL[^]*still working[^]*reattached[^]*bytes lost +0  ✓[^]*The server died\. The work did not\./,
  );
  const interrupted = start(world, ['demo']);
  await until('it is under way', () => interrupted.stdout().includes('greeting  3'));
  interrupted.child.kill('SIGINT');
  assert.equal((await interrupted.finish()).code, 130);
  const left = (await readdir(world.root)).filter((name) => name.startsWith('holdfast-demo-'));
  assert.deepEqual(left, []);
  assert.deepEqual(await world.listProcesses(), []);
  assert.equal(await git(world.repository, 'status', '--porcelain'), '');
});

test('run --file: the files lie at the top of the workspace before the job starts; wrong ones make no job', async () => {
  await using world = await World.create();
  await world.start();
  await world.register();
  const notes = join(world.root, 'my notes.txt');
  await writeFile(notes, 'do this\n');
  const data = join(world.root, 'data.bin');
  await writeFile(data, Buffer.alloc(3_000_000, 7));
  const shell = ['--', 'sh', '-c', 'cat "my notes.txt"; wc -c < data.bin'];
  const flags = ['run', '--repo', 'demo', '--file', notes, '--file', 'data.bin'];
  const done = await run(world, [...flags, '--follow', ...shell]);
  assert.deepEqual([done.code, done.stdout], [0, 'do this\n3000000\n'], done.stderr);
  const held = await run(world, [...flags, '--hold', '--json', ...shell]);
  assert.equal(parse(held)['state'], 'created', held.stderr);
  const key = ['--idempotency-key', 'once'];
  const [first, second] = [
    await run(world, [...flags, ...key, '--wait', ...shell]),
    await run(world, [...flags, ...key, '--wait', ...shell]),
  ];
  assert.deepEqual([first.code, first.stdout], [second.code, second.stdout], second.stderr);
  const missing = await run(world, ['run', '--repo', 'demo', '--file', 'nowhere', '--', 'true']);
  assert.equal(missing.code, 2);
  assert.match(missing.stderr, /--file nowhere does not exist[^]*nothing was submitted/);
  const bad = await run(world, ['run', '--repo', 'demo', '--file', '.gitignore', '--', 'true']);
  assert.deepEqual([bad.code, /bad-file-name/.test(bad.stderr)], [2, true], bad.stderr);
  const jobs = parse(await run(world, ['jobs', '--json']))['items'] as unknown[];
  assert.equal(jobs.length, 3, 'nothing was submitted for a file that could not be sent');
});

test('run --file: what would replace a file of the repository is said, and asked for', async () => {
  await using world = await World.create();
  await world.start();
  await world.register();
  const [tracked = ''] = (await git(world.repository, 'ls-files')).split('\n');
  const path = join(world.root, tracked);
  await writeFile(path, 'mine\n');
  const refused = await run(world, ['run', '--repo', 'demo', '--file', path, '--wait', '--', 'cat', tracked]);
  assert.equal(refused.code, 8, refused.stderr);
  assert.match((await run(world, ['show', '1'])).stdout, /would replace a file of the repository/);
  const allowed = await run(world, [
    'run',
    '--repo',
    'demo',
    '--file',
    path,
    '--overwrite',
    '--follow',
    '--',
    'cat',
    tracked,
  ]);
  assert.deepEqual([allowed.code, allowed.stdout], [0, 'mine\n'], allowed.stderr);
});

test('remove: asks first, removes what has ended, says what is gone', async () => {
  await using world = await World.create();
  await world.start();
  await world.register();
  for (const command of ['true', 'true']) {
    assert.equal((await run(world, ['run', '--repo', 'demo', '--wait', '--', command])).code, 0);
  }
  await run(world, ['run', '--repo', 'demo', '--hold', '--', 'true']);
  const unasked = await run(world, ['remove', '1']);
  assert.deepEqual([unasked.code, /Add --yes/.test(unasked.stderr)], [2, true], unasked.stderr);
  const done = await run(world, ['remove', '1', '3', '2', '--yes']);
  assert.deepEqual([done.code, done.stdout], [5, 'job 1 removed\njob 2 removed\n'], 'the held one is named and stays');
  assert.match(done.stderr, /job 3 is created[^]*holdfast cancel 3/);
  const again = await run(world, ['show', '1']);
  assert.equal(again.code, 3);
  assert.match(again.stderr, /job 1 was removed at \d{4}-[^]*\[gone\]/);
  const left = parse(await run(world, ['jobs', '--json']))['items'] as { number: number }[];
  assert.deepEqual(
    left.map(({ number }) => number),
    [3],
  );
});
