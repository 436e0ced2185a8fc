/**
 * `npm run check`: everything that must hold before a change goes in. Static checks first, all of them even when one
 * fails; then the tests (architecture, documents, unit, conformance, a sample of the crash tests), whose summary ends it.
 */
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const bin = (name: string): string => resolve(root, 'node_modules/.bin', name);

const STEPS: readonly { name: string; command: readonly string[] }[] = [
  { name: 'types', command: [bin('tsc'), '-p', '.'] },
  { name: 'lint', command: [bin('oxlint'), '--deny-warnings'] },
  { name: 'format', command: [bin('oxfmt'), '--check', '.'] },
  { name: 'dead code', command: [bin('knip'), '--no-progress'] },
];

/** Runs one step with its output shown; returns whether it ended with 0. */
function runStep(name: string, command: readonly string[]): boolean {
  const started = performance.now();
  const [program = '', ...args] = command;
  const { status, error } = spawnSync(program, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  if (error !== undefined) throw error;
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  process.stdout.write(`# check: ${name} ${status === 0 ? 'ok' : 'FAILED'} in ${seconds} s\n`);
  return status === 0;
}

const failed = STEPS.filter(({ name, command }) => !runStep(name, command)).map(({ name }) => name);
if (failed.length > 0) {
  process.stderr.write(`check: failed: ${failed.join(', ')}; the tests were not run\n`);
  process.exitCode = 1;
} else {
  // Says nothing after it: the summary of the tests is the last thing to read.
  const tests = [resolve(root, 'scripts/run-tests.ts'), 'check'];
  process.exitCode =
    spawnSync(process.execPath, tests, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] }).status ?? 1;
}
