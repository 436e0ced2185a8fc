import assert from 'node:assert/strict';
import { PassThrough, Readable } from 'node:stream';
import { test } from 'node:test';
import { ERRORS, fail, type ErrorCode } from '../kernel/errors.ts';
import { renderError, renderProblem, toHoldfastError } from './problem.ts';
import { runCli, splitTail } from './run-cli.ts';
import pc from 'picocolors';

interface Result {
  exit: number;
  out: string;
  err: string;
}

/** Runs a command line in this process, in an empty home and outside of any repository. */
async function run(...argv: string[]): Promise<Result> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const texts = { out: '', err: '' };
  stdout.on('data', (chunk: Buffer) => (texts.out += chunk.toString()));
  stderr.on('data', (chunk: Buffer) => (texts.err += chunk.toString()));
  const exit = await runCli(argv, {
    env: { HOLDFAST_HOME: '/nonexistent/holdfast' },
    cwd: '/',
    stdin: Readable.from([]),
    stdout,
    stderr,
    interrupted: new AbortController().signal,
  });
  return { exit, ...texts };
}

test('help and version are data and end with 0', async () => {
  for (const argv of [[], ['--help'], ['help'], ['help', 'run'], ['run', '--help'], ['repo', 'add', '-h']]) {
    const { exit, out, err } = await run(...argv);
    assert.deepEqual([exit, err], [0, ''], argv.join(' '));
    assert.match(out, /^Usage: holdfast/);
  }
  assert.match((await run('--version')).out, /^\d+\.\d+\.\d+\n$/);
});

test('a command line that cannot be understood ends with 2, says what is wrong, and prints no data', async () => {
  const wrong: [string[], RegExp][] = [
    [['nope'], /unknown command 'nope'/],
    [['jobs', '--stat', 'x'], /unknown option '--stat'[^]*--state/],
    [['jobs', '--state', 'nope'], /queued/],
    [['jobs', 'extra'], /too many arguments[^]*See `holdfast jobs --help`/],
    [['show'], /missing required argument 'job'[^]*See `holdfast show --help`/],
    [['--url', 'run', 'callbacks', '--job', '1', 'secret', 'x'], /See `holdfast callbacks secret --help`/],
    [['--zzzzzzz'], /unknown option '--zzzzzzz'[^]*See `holdfast --help`/],
    [['run', 'x', '--file', '/'], /--file \/ is a directory [^]*nothing was submitted/],
    [['run', 'x', '--file', '/dev/null'], /--file \/dev\/null is not a regular file/],
    [['jobs', '-n', '0'], /whole number/],
    [['run'], /nothing to do/],
    [['run', ''], /empty/],
    [['run', 'x', '--'], /nothing follows --/],
    [['run', 'x', '--hold', '--wait'], /--hold/],
    [['run', 'x', '--pipeline', 'deploy'], /implement, full/],
    [['run', 'x', '--timeout', '5 minutes'], /5 minutes/],
    [['wait', '1', '--timeout', '0s'], /0s/],
    [['serve', '--port', '70000'], /65535/],
    [['--url', 'nonsense', 'jobs'], /not a URL/],
    [['--url', 'http://127.0.0.1:1', 'server', 'stop'], /not managed/],
    [['repo', 'remove', 'x'], /--yes/],
    [['repo', 'update', 'x'], /nothing to change/],
    [['repo', 'add', '.', '--verify', "a 'b"], /quote/],
  ];
  for (const [argv, message] of wrong) {
    const { exit, out, err } = await run(...argv);
    assert.deepEqual([exit, out], [2, ''], argv.join(' '));
    assert.match(err, message);
    assert.match(err, /^✗ .*\n→ .*\n$/s, argv.join(' '));
  }
  assert.equal((await run('repo')).exit, 2);
});

test('without a server every command that needs one ends with 6 and says how to start one', async () => {
  const commands = ['jobs', 'queue', 'show 1', 'wait 1', 'logs 1', 'diff 1', 'cancel 1', 'events', 'recovery report'];
  for (const words of [...commands, 'repo list', 'repo show x', 'token list']) {
    const { exit, out, err } = await run(...words.split(' '));
    assert.deepEqual([exit, out], [6, ''], words);
    assert.match(err, /holdfast serve/, words);
  }
});

test('--json errors are one JSON problem on stderr, wherever the option stands', async () => {
  for (const argv of [
    ['--json', 'jobs'],
    ['jobs', '--json'],
    ['nope', '--json'],
  ]) {
    const { exit, out, err } = await run(...argv);
    assert.equal(out, '');
    const problem = JSON.parse(err) as Record<string, unknown>;
    assert.deepEqual(Object.keys(problem), ['type', 'title', 'status', 'detail', 'code', 'hint', 'exitCode']);
    assert.equal(problem['exitCode'], exit);
  }
});

test('only run gives the words after -- a meaning of their own', () => {
  assert.deepEqual(splitTail(['run', 'p', '--', 'sh', '-c', 'x', '--', 'y']), {
    words: ['run', 'p'],
    tail: ['sh', '-c', 'x', '--', 'y'],
  });
  assert.deepEqual(splitTail(['--home', 'jobs', '-q', 'run', '--']), {
    words: ['--home', 'jobs', '-q', 'run'],
    tail: [],
  });
  assert.deepEqual(splitTail(['show', '--', 'run']), { words: ['show', '--', 'run'], tail: null });
  assert.deepEqual(splitTail(['--home', 'run', 'show', '--', '1']).tail, null);
  assert.deepEqual(splitTail(['run', 'p']), { words: ['run', 'p'], tail: null });
});

test('the exit codes of the error table are the documented ones', () => {
  const documented = new Set([0, 1, 2, 3, 4, 5, 6, 7, 8, 124, 130]);
  for (const code of Object.keys(ERRORS) as ErrorCode[]) {
    assert.ok(documented.has(ERRORS[code].exit), code);
    const problem = JSON.parse(renderProblem(fail(code, 'x'))) as { exitCode: number; code: string };
    assert.deepEqual([problem.code, problem.exitCode], [code, ERRORS[code].exit]);
  }
});

test('an error shows nothing a terminal would act on, and a surprise shows where it happened with --verbose', () => {
  const colours = pc.createColors(false);
  const hostile = fail('git-failed', 'a\u001b]0;x\u0007b\u001b[2J', { hint: 'c\u009b1A' });
  const text = renderError(hostile, { colours, verbose: true });
  assert.equal(text, '✗ A git command failed: ab [git-failed]\n→ c');
  const surprise = toHoldfastError(new TypeError('boom'));
  assert.equal(surprise.exit, 1);
  assert.ok(!renderError(surprise, { colours, verbose: false }).includes('run-cli.test.ts'));
  assert.ok(renderError(surprise, { colours, verbose: true }).includes('run-cli.test.ts'));
});
