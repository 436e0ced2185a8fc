/**
 * `node scripts/run-tests.ts SUITE [FILE…]`: runs a suite of tests, or only the named files under its rules, and ends
 * with the summary of Node's own test runner. Two proofs join that summary as tests: no process of the run is left,
 * and nothing of it is left in the temp directory it was given.
 */
import { randomBytes } from 'node:crypto';
import { chmodSync, globSync, mkdtempSync, readdirSync, realpathSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { run, type EventData } from 'node:test';
import { spec as SpecReporter, tap, type TestEvent } from 'node:test/reporters';
import { ensureKeeper } from './build-keeper.ts';
import { awaitSurvivors, findChild } from './survivors.ts';
import { SUITES, type SuiteName, type TestSuite } from './test-suites.ts';

const root = resolve(import.meta.dirname, '..');
const LONGEST = ['failpoint-sweep.test.ts', 'crash/lab.test.ts', 'e2e/cli.test.ts'];
/** How long processes that are just ending may take to be gone. */
const GRACE_MS = 10_000;

/** Returns the files of a suite; throws when a glob matches fewer than it must. */
function listFiles(suite: TestSuite): string[] {
  const files = new Set<string>();
  for (const { pattern, atLeast } of suite.globs) {
    const matched = globSync(pattern, { cwd: root });
    if (matched.length < atLeast) {
      throw new Error(`${pattern} matches ${matched.length} files, but at least ${atLeast} are expected`);
    }
    for (const file of matched) files.add(join(root, file));
  }
  for (const file of suite.except) {
    if (!files.delete(join(root, file))) throw new Error(`${file} is left out, but there is no such file`);
  }
  // The longest ones first, so that none of them is left running alone at the end.
  const isLong = (file: string): boolean => LONGEST.some((name) => file.endsWith(name));
  return [...files].toSorted((a, b) => Number(isLong(b)) - Number(isLong(a)) || (a < b ? -1 : 1));
}

interface Proof {
  name: string;
  /** Returns what is wrong, or null. */
  check(): Promise<string | null>;
}

/** Sets what the tests of this run see; returns the proofs that they left nothing behind. */
function prepareRun(suite: TestSuite): { proofs: Proof[]; cleanUp: () => void } {
  for (const name of Object.keys(process.env)) {
    if (name.startsWith('HOLDFAST_')) delete process.env[name];
  }
  const temp = realpathSync(mkdtempSync(join(tmpdir(), 'hf-tests-')));
  // A test that drops root's rights must still reach its own directory below.
  chmodSync(temp, 0o711);
  const marker = randomBytes(8).toString('hex');
  process.env['HOLDFAST_TEST_RUN'] = marker;
  process.env['TMPDIR'] = temp;
  // Hundreds of processes load the same modules: kept compiled, a run costs a quarter less.
  process.env['NODE_COMPILE_CACHE'] ??= join(root, 'node_modules/.cache/holdfast-tests');
  if (suite.crash !== 'none') process.env['HOLDFAST_CRASH'] = suite.crash;
  const processes: Proof = {
    name: 'no process of this run is left',
    async check() {
      const left = await awaitSurvivors([`HOLDFAST_TEST_RUN=${marker}`, temp], GRACE_MS);
      return left.length === 0 ? null : left.map(({ pid, command }) => `left alive: ${pid} ${command}`).join('\n');
    },
  };
  const files: Proof = {
    name: 'no file of this run is left in its temp directory',
    async check() {
      const left = readdirSync(temp);
      return left.length === 0 ? null : `left in the temp directory: ${left.join(' ')}`;
    },
  };
  return { proofs: [processes, files], cleanUp: () => rmSync(temp, { recursive: true, force: true, maxRetries: 3 }) };
}

function failure(message: string): EventData.Error {
  const cause = new Error(message);
  // Where the proof was taken tells nothing: what it names does.
  cause.stack = '';
  return Object.assign(new Error(message), { cause, code: 'ERR_TEST_FAILURE', failureType: 'testCodeFailure' });
}

async function proofEvent(proof: Proof, testNumber: number): Promise<TestEvent> {
  const started = performance.now();
  const wrong = await proof.check();
  const duration_ms = performance.now() - started;
  const identity = { name: proof.name, nesting: 0, parentId: undefined, tags: [], testId: testNumber, testNumber };
  const data = { ...identity, file: import.meta.filename, line: 1, column: 1 };
  if (wrong === null) return { type: 'test:pass', data: { ...data, details: { duration_ms, type: 'test' } } };
  return { type: 'test:fail', data: { ...data, details: { duration_ms, type: 'test', error: failure(wrong) } } };
}

/** Returns the summary line `name n` with what the proofs add to it, every other line as it is. */
function amendCount(message: string, added: Record<string, number>): string {
  const [name = '', count = ''] = message.split(' ');
  const more = added[name];
  return more === undefined ? message : `${name} ${Number(count) + more}`;
}

/** Time beyond its limit that a file gets to end by itself, once its tests have been told to. */
const EXTRA_MS = 15_000;

/**
 * Returns a listener to the run that kills a test file which outlives its time: the runner itself only fails the tests
 * in it, and would wait for ever for one that a process of its own keeps alive.
 */
function createFileWatch(timeoutMs: number): (event: TestEvent) => void {
  const timers = new Map<string, NodeJS.Timeout>();
  const end = (file: string): void => {
    const pid = findChild(process.pid, file);
    if (pid === null) return;
    process.stderr.write(`run-tests: ${relative(root, file)} takes too long; killed\n`);
    process.kill(pid, 'SIGKILL');
  };
  return (event) => {
    if (event.type !== 'test:dequeue' && event.type !== 'test:complete') return;
    const { file, name, nesting } = event.data;
    if (file === undefined || nesting !== 0 || resolve(root, name) !== file) return;
    clearTimeout(timers.get(file));
    if (event.type === 'test:dequeue')
      timers.set(
        file,
        setTimeout(() => end(file), timeoutMs + EXTRA_MS),
      );
  };
}

/** Returns lines that name the files that took longest: where to look when a suite grows slow. */
function listSlowest(tookMs: ReadonlyMap<string, number>): string[] {
  const slowest = [...tookMs].toSorted(([, a], [, b]) => b - a).slice(0, 8);
  return slowest.map(([file, ms]) => `slow ${(ms / 1000).toFixed(1)} s ${relative(root, file)}`);
}

/** Lines of one failure that are repeated: what was wrong, and the command that plays it again. */
const FAILURE_LINES = 40;

/** Returns lines that say what failed once more: in a long run the end is what is read, and often all that is kept. */
function describeFailure({ data }: Extract<TestEvent, { type: 'test:fail' }>): string[] {
  const { error } = data.details;
  const { message } = error.cause instanceof Error ? error.cause : error;
  const place = data.file === undefined ? '' : ` (${relative(root, data.file)}:${data.line ?? '?'})`;
  return [
    `failed: ${data.name}${place}`,
    ...message
      .split('\n')
      .slice(0, FAILURE_LINES)
      .map((line) => `  ${line}`),
  ];
}

/** Whether a test failed itself, not only a part of it, which tells of itself. */
function isLeaf({ data }: Extract<TestEvent, { type: 'test:fail' }>): boolean {
  const { error } = data.details;
  return data.todo === undefined && !('failureType' in error && error.failureType === 'subtestsFailed');
}

function remark(message: string): TestEvent {
  return { type: 'test:diagnostic', data: { nesting: 0, level: 'info', message } };
}

/** Passes the events of a run on, with the proofs taken when the last test has ended and counted in the summary. */
async function* withProofs(
  source: AsyncIterable<TestEvent>,
  proofs: readonly Proof[],
  watch: (event: TestEvent) => void,
): AsyncGenerator<TestEvent, void> {
  let added: Record<string, number> | null = null;
  const tookMs = new Map<string, number>();
  const failures: string[] = [];
  for await (const event of source) {
    watch(event);
    if (event.type === 'test:fail' && event.data.todo === undefined) process.exitCode = 1;
    if (event.type === 'test:fail' && isLeaf(event)) failures.push(...describeFailure(event));
    if (event.type === 'test:summary' && event.data.file !== undefined) {
      tookMs.set(event.data.file, event.data.duration_ms);
    }
    if (event.type === 'test:plan' && event.data.nesting === 0 && added === null) {
      const { count } = event.data;
      if (count === 0) throw new Error('the run holds no test');
      added = { tests: proofs.length, pass: 0, fail: 0 };
      for (const [index, proof] of proofs.entries()) {
        const proved = await proofEvent(proof, count + index + 1);
        if (proved.type === 'test:fail') {
          process.exitCode = 1;
          failures.push(...describeFailure(proved));
        }
        const line = proved.type === 'test:fail' ? 'fail' : 'pass';
        added[line] = (added[line] ?? 0) + 1;
        yield proved;
      }
      yield { type: 'test:plan', data: { ...event.data, count: count + proofs.length } };
      yield* [...(tookMs.size > 1 ? listSlowest(tookMs) : []), ...failures].map(remark);
    } else if (event.type === 'test:diagnostic' && event.data.nesting === 0 && added !== null) {
      yield { type: 'test:diagnostic', data: { ...event.data, message: amendCount(event.data.message, added) } };
    } else {
      yield event;
    }
  }
  if (added === null) throw new Error('the test runner ended without a plan');
}

async function main(name: string, only: readonly string[]): Promise<void> {
  if (!Object.hasOwn(SUITES, name)) throw new Error(`no suite "${name}": ${Object.keys(SUITES).join(', ')}`);
  const suite: TestSuite = SUITES[name as SuiteName];
  const files = only.length > 0 ? only.map((file) => resolve(file)) : listFiles(suite);
  // Tests start the built keeper: an old one would test what is no longer there.
  await ensureKeeper();
  const { proofs, cleanUp } = prepareRun(suite);
  try {
    const tests = run({
      files,
      cwd: root,
      // Whole-server tests wait for agents that sleep: one lane more than cores keeps all of them at work.
      concurrency: availableParallelism() + 1,
      timeout: suite.fileTimeoutMs,
    });
    const events = withProofs(tests, proofs, createFileWatch(suite.fileTimeoutMs));
    // Off a terminal TAP: its last lines are the summary, where the other reporter repeats the failures after it.
    const report = process.stdout.isTTY
      ? Readable.from(events).compose(new SpecReporter())
      : Readable.from(tap(events));
    await pipeline(report, process.stdout, { end: false });
  } finally {
    cleanUp();
  }
}

const [suiteName = '', ...only] = process.argv.slice(2);
try {
  await main(suiteName, only);
} catch (error) {
  process.stderr.write(`run-tests: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
