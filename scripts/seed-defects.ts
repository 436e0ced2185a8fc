/**
 * `node scripts/seed-defects.ts [WORD…]`: puts each seeded defect (or those whose text holds a WORD) into a copy of the
 * tree, one at a time, and runs its test there, which must fail. `--write` writes docs/seeded-defects.md instead.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { renderSeededDefects } from '../test/crash/render-seeded-defects.ts';
import type { SeededDefect } from '../test/crash/seeded-defect.ts';
import { SEEDED_DEFECTS } from '../test/crash/seeded-defects.ts';

const root = resolve(import.meta.dirname, '..');
/** What is waited for in vain, because of the defect, is not waited for long. */
const DEADLINE_MS = '20000';

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

/** Runs the test of the defect; returns what it failed with, or null when it did not, or did not run at all. */
function findFailure(copy: string, defect: SeededDefect): string | null {
  const run = (args: string[]): { status: number | null; text: string } => {
    const env = { ...process.env, TEST_DEADLINE_MS: DEADLINE_MS, HOLDFAST_CRASH: 'all' };
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: copy, env, encoding: 'utf8' });
    return { status, text: stdout + stderr };
  };
  const built = run(['scripts/build-keeper.ts']);
  if (built.status !== 0) throw new Error(built.text);
  const pattern = `^${defect.test.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')}`;
  const tested = run(['--test', `--test-name-pattern=${pattern}`, defect.file]);
  const isBroken = /SyntaxError|ERR_MODULE_NOT_FOUND|ReferenceError|tests 0$/m.test(tested.text);
  if (tested.status !== 0 && !isBroken) return /^ +(\w*Error.*)$/m.exec(tested.text)?.[1] ?? 'failed';
  process.stdout.write(tested.text);
  return null;
}

function main(words: readonly string[]): void {
  if (words.includes('--write')) {
    writeFileSync(join(root, 'docs/seeded-defects.md'), renderSeededDefects(SEEDED_DEFECTS));
    return;
  }
  const chosen = SEEDED_DEFECTS.filter((one) => words.every((word) => JSON.stringify(one).includes(word)));
  if (chosen.length === 0) throw new Error(`no seeded defect holds ${words.join(' ')}`);
  for (const defect of chosen) {
    const copy = copyTree();
    try {
      seed(copy, defect);
      const failure = findFailure(copy, defect);
      process.stdout.write(`${failure === null ? 'MISSED' : 'caught'} ${defect.file}: ${defect.what}\n`);
      if (failure === null) process.exitCode = 1;
      else process.stdout.write(`       ${failure}\n`);
    } finally {
      rmSync(copy, { recursive: true, force: true });
    }
  }
}

main(process.argv.slice(2));
