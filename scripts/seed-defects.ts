/**
 * `node scripts/seed-defects.ts [WORD…]`: puts each seeded defect (or those whose text holds a WORD) into a copy of the
 * tree, one to each copy, and runs its test there, which must fail. `--write` writes docs/seeded-defects.md instead.
 */
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { inLanes } from '../test/crash/lab/outcome.ts';
import { renderSeededDefects } from '../test/crash/render-seeded-defects.ts';
import type { SeededDefect } from '../test/crash/seeded-defect.ts';
import { ensureKeeper, KEEPER_FILE } from './build-keeper.ts';
import { errnoOf } from '../src/kernel/result.ts';
import { listSurvivors } from './survivors.ts';
import { SEEDED_DEFECTS } from '../test/crash/seeded-defects.ts';

const root = resolve(import.meta.dirname, '..');
/** What the keeper is made of. */
const KEEPER_SOURCE = /^src\/(?:keeper|kernel)\//;
/** What is waited for in vain, because of the defect, is not waited for long. */
const DEADLINE_MS = '20000';
/** Longest time a test may take, milliseconds: long enough for a machine that is busy. */
const TEST_MS = 2_400_000;

function copyTree(): string {
  const copy = mkdtempSync(join(tmpdir(), 'hf-seed-'));
  for (const name of ['src', 'test', 'scripts', 'package.json', 'tsconfig.json']) {
    cpSync(join(root, name), join(copy, name), { recursive: true });
  }
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  return copy;
}

/** Applies the defect; throws when a text is not found exactly once. */
function seed(copy: string, defect: SeededDefect): void {
  for (const { file, find, replace } of defect.edits) {
    const path = join(copy, file);
    const parts = readFileSync(path, 'utf8').split(find);
    if (parts.length !== 2) throw new Error(`${file} holds this ${parts.length - 1} times: ${find}`);
    writeFileSync(path, parts.join(replace));
  }
}

interface Run {
  /** Null when it was ended because it took too long. */
  status: number | null;
  text: string;
}

function run(copy: string, args: readonly string[]): Promise<Run> {
  // Sources compiled once serve every process and thread of the copy, and go with it.
  const cache = { NODE_COMPILE_CACHE: join(copy, '.compiled') };
  const own = { HOLDFAST_TEST_RUN: copy, TEST_DEADLINE_MS: DEADLINE_MS, HOLDFAST_CRASH: 'all' };
  const env = { ...process.env, ...cache, ...own };
  const child = spawn(process.execPath, args, { cwd: copy, env, stdio: ['ignore', 'pipe', 'pipe'], timeout: TEST_MS });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (more: string) => (text += more));
  }
  return new Promise((done, fail) => {
    child.once('error', fail);
    child.once('close', (status) => done({ status, text }));
  });
}

/** Runs the test of the defect; returns what it failed with, or null and what was said when it did not, or did not run. */
async function findFailure(copy: string, defect: SeededDefect): Promise<{ failure: string | null; text: string }> {
  if (defect.edits.some(({ file }) => KEEPER_SOURCE.test(file))) {
    const built = await run(copy, ['scripts/build-keeper.ts']);
    if (built.status !== 0) throw new Error(built.text);
  } else {
    cpSync(KEEPER_FILE, join(copy, 'dist', 'keeper.js'), { recursive: true });
  }
  const pattern = `^${defect.test.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')}`;
  const { status, text } = await run(copy, ['--test', `--test-name-pattern=${pattern}`, defect.file]);
  const isBroken = /SyntaxError|ERR_MODULE_NOT_FOUND|ReferenceError|tests 0$/m.test(text);
  const failures = text.match(/^ +.*(?:ERR_ASSERTION|waited in vain|Error: ).*$/gm) ?? [];
  // A test that only took too long has shown nothing: the machine may be busy.
  const isLate = status === null || (/test timed out after/.test(text) && failures.length === 0);
  if (status === 0 || isBroken || isLate) return { failure: null, text };
  return { failure: /^ +(\w*Error.*)$/m.exec(text)?.[1] ?? 'failed', text };
}

/** A test that fails half way may leave what it had stopped: nothing of a copy outlives it. */
function endSurvivors(copy: string): void {
  for (const { pid } of listSurvivors([copy])) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch (error) {
      if (errnoOf(error) !== 'ESRCH') throw error;
    }
  }
}

/** Tries one defect in a copy of its own; returns whether it was caught. */
async function tryDefect(defect: SeededDefect): Promise<boolean> {
  const began = performance.now();
  const copy = copyTree();
  try {
    seed(copy, defect);
    const { failure, text } = await findFailure(copy, defect);
    const seconds = Math.round((performance.now() - began) / 1000);
    if (failure === null) process.stdout.write(text);
    process.stdout.write(`${failure === null ? 'MISSED' : 'caught'} ${defect.file}: ${defect.what} (${seconds} s)\n`);
    if (failure !== null) process.stdout.write(`       ${failure}\n`);
    return failure !== null;
  } finally {
    endSurvivors(copy);
    rmSync(copy, { recursive: true, force: true });
  }
}

async function main(words: readonly string[]): Promise<void> {
  if (words.includes('--write')) {
    writeFileSync(join(root, 'docs/seeded-defects.md'), renderSeededDefects(SEEDED_DEFECTS));
    return;
  }
  const chosen = SEEDED_DEFECTS.filter((one) => words.every((word) => JSON.stringify(one).includes(word)));
  if (chosen.length === 0) throw new Error(`no seeded defect holds ${words.join(' ')}`);
  await ensureKeeper();
  const began = performance.now();
  let caught = 0;
  // Each works in a tree, a temp directory and processes of its own; with a defect a test mostly waits, and in vain.
  await inLanes(chosen, 2 * availableParallelism() + 1, async (defect) => {
    if (await tryDefect(defect)) caught++;
  });
  const minutes = ((performance.now() - began) / 60_000).toFixed(1);
  process.stdout.write(`# seeded defects: ${caught} of ${chosen.length} caught in ${minutes} minutes\n`);
  if (caught < chosen.length) process.exitCode = 1;
}

await main(process.argv.slice(2));
