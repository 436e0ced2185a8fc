/**
 * `npm run test:crash`: every crash test; with `--all` also the whole crash lab and every seeded defect. `--lab …` replays
 * one point of the lab as a violation printed it, `--only PART[,PART]` runs parts of it; other words are test files.
 */
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { ensureKeeper } from './build-keeper.ts';

const root = resolve(import.meta.dirname, '..');
// The lab opens stores in threads of its own by the hundred: kept compiled, each costs a third.
process.env['NODE_COMPILE_CACHE'] ??= resolve(root, 'node_modules/.cache/holdfast-tests');

/** Runs one step with its output shown; returns whether it ended with 0. */
function runStep(script: string, words: readonly string[]): boolean {
  const args = [resolve(root, script), ...words];
  const { status, error } = spawnSync(process.execPath, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  if (error !== undefined) throw error;
  return status === 0;
}

async function main(words: readonly string[]): Promise<boolean> {
  if (words.includes('--lab') || words.includes('--only')) {
    await ensureKeeper();
    return runStep('test/crash/lab/main.ts', words);
  }
  if (!words.includes('--all')) return runStep('scripts/run-tests.ts', ['crash', ...words]);
  const began = performance.now();
  const rest = words.filter((word) => word !== '--all');
  const steps = [
    () => runStep('scripts/run-tests.ts', ['crash-beside-lab']),
    () => runStep('test/crash/lab/main.ts', rest),
    () => runStep('scripts/seed-defects.ts', []),
  ];
  // Every one of them, also after a failure: whoever waits this long wants to know everything.
  const failed = steps.filter((step) => !step()).length;
  const minutes = ((performance.now() - began) / 60_000).toFixed(1);
  process.stdout.write(`# test:crash --all: ${failed === 0 ? 'ok' : `${failed} steps FAILED`} in ${minutes} minutes\n`);
  return failed === 0;
}

process.exitCode = (await main(process.argv.slice(2))) ? 0 : 1;
