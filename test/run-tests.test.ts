/** The test runner itself: what it finds left behind, what it refuses to call a success, and what it prints last. */
import assert from 'node:assert/strict';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { awaitSurvivors, listSurvivors } from '../scripts/survivors.ts';

const runner = resolve(import.meta.dirname, '../scripts/run-tests.ts');

let dir: string;
let children: ChildProcess[];

beforeEach(() => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), 'run-tests-')));
  children = [];
});

afterEach(async () => {
  for (const child of children) {
    const ended = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : null;
    child.kill('SIGKILL');
    await ended;
  }
  rmSync(dir, { recursive: true, force: true });
});

/** Starts a process that waits for a minute, and returns once it runs. */
async function startSleeper(options: { env?: Record<string, string>; cwd?: string; args?: string[] }): Promise<number> {
  const { env = {}, cwd = '/', args = [] } = options;
  const script = 'console.log(1); setTimeout(() => {}, 60_000)';
  const child = spawn(process.execPath, ['-e', script, ...args], { env, cwd, stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  await once(child.stdout, 'data');
  return child.pid ?? assert.fail('not started');
}

describe('listSurvivors', () => {
  it('finds a process by environment, working directory and command line, and no other', async () => {
    const place = join(dir, 'place');
    mkdirSync(place);
    const pids = [
      await startSleeper({ env: { MARK: 'a-mark-of-its-own' } }),
      await startSleeper({ cwd: place }),
      await startSleeper({ args: [join(place, 'x')] }),
    ];
    await startSleeper({ env: { MARK: 'another' } });
    const found = listSurvivors(['a-mark-of-its-own', place]);
    assert.deepEqual(
      found.map(({ pid }) => pid).toSorted((a, b) => a - b),
      pids.toSorted((a, b) => a - b),
    );
    for (const { command } of found) assert.match(command, /setTimeout/);
  });

  it('gives a process that is ending the time to end, and names one that is not', async () => {
    const pid = await startSleeper({ env: { MARK: 'a-mark-of-its-own' } });
    assert.deepEqual(
      (await awaitSurvivors(['a-mark-of-its-own'], 100)).map((one) => one.pid),
      [pid],
    );
    setTimeout(() => children[0]?.kill('SIGKILL'), 100);
    assert.deepEqual(await awaitSurvivors(['a-mark-of-its-own'], 30_000), []);
  });
});

/** Runs one test file under the rules of a suite. */
function runFile(text: string): { status: number | null; lines: string[] } {
  const file = join(dir, 'planted.test.mjs');
  writeFileSync(file, `import test from 'node:test';\nimport { writeFileSync } from 'node:fs';\n${text}\n`);
  const env: NodeJS.ProcessEnv = { ...process.env, HOLDFAST_HOME: '/nowhere' };
  // Without it the inner run takes itself for a part of this one.
  delete env['NODE_TEST_CONTEXT'];
  const { status, stdout } = spawnSync(process.execPath, [runner, 'fast', file], { env, encoding: 'utf8' });
  return { status, lines: stdout.trimEnd().split('\n') };
}

/** The counts of the summary, which must be the last thing printed. */
function summary(lines: readonly string[]): Record<string, number> {
  const last = lines
    .slice(-8)
    .map((line) => /^# ([a-z_]+) ([\d.]+)$/.exec(line) ?? assert.fail(`not a summary: ${line}`));
  return Object.fromEntries(last.map(([, name = '', count]) => [name, Number(count)]));
}

describe('the runner', () => {
  it('counts its two proofs and ends with the summary', () => {
    const { status, lines } = runFile("test('fine', () => {});");
    const { tests, pass, fail } = summary(lines);
    assert.deepEqual({ status, tests, pass, fail }, { status: 0, tests: 3, pass: 3, fail: 0 });
  });

  it('fails when a test fails', () => {
    const { status, lines } = runFile("test('bad', () => { throw new Error('x'); });");
    const { tests, pass, fail } = summary(lines);
    assert.deepEqual({ status, tests, pass, fail }, { status: 1, tests: 3, pass: 2, fail: 1 });
  });

  it('says what failed right before the summary, once for all the suites around it', () => {
    const { lines } = runFile("test.describe('outer', () => test('bad', () => { throw new Error('x\\ny'); }));");
    const remarks = lines.slice(lines.findLastIndex((line) => line.startsWith('1..')) + 1, -8);
    assert.match(remarks[0] ?? '', /^# failed: bad \(.*planted\.test\.mjs:3\)$/);
    assert.deepEqual(remarks.slice(1), ['#   x', '#   y']);
  });

  it('fails when a file is left in the temp directory, and names it', () => {
    const { status, lines } = runFile("test('untidy', () => writeFileSync(process.env.TMPDIR + '/forgotten', ''));");
    const { tests, pass, fail } = summary(lines);
    assert.deepEqual({ status, tests, pass, fail }, { status: 1, tests: 3, pass: 2, fail: 1 });
    assert.match(lines.join('\n'), /left in the temp directory: forgotten/);
  });

  it('keeps what the caller set for holdfast away from the tests', () => {
    const { status } = runFile(
      "test('clean', () => { if (process.env.HOLDFAST_HOME !== undefined) throw new Error('x'); });",
    );
    assert.equal(status, 0);
  });

  it('refuses a suite that does not exist', () => {
    const { status, stderr } = spawnSync(process.execPath, [runner, 'none'], { encoding: 'utf8' });
    assert.equal(status, 1);
    assert.match(stderr, /no suite "none": fast, check, crash/);
  });
});
