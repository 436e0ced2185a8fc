/** Tab completion as bash does it: its own functions ask the program, in a real bash. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

const BIN = resolve(import.meta.dirname, '../../bin/holdfast');

/** What bash offers for these words, the last of them under the cursor. */
async function complete(...words: string[]): Promise<string[]> {
  const script = `source <("$1" completion bash)
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _holdfast; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout } = await promisify(execFile)('bash', ['-c', script, 'bash', BIN, ...words]);
  return stdout.split('\n').filter((word) => word !== '');
}

test('bash completes commands, options and their values out of the program itself', { timeout: 120_000 }, async () => {
  assert.deepEqual(await complete('unf'), ['unfreeze']);
  assert.deepEqual(await complete('--url', 'run', 'repo', 'up'), ['update']);
  assert.deepEqual(await complete('run', '--on-interrupt', ''), ['continue', 'ask']);
  assert.deepEqual((await complete('run', 'text', '--o')).toSorted(), ['--on-interrupt', '--overwrite']);
  assert.deepEqual(await complete('jobs', '--js'), ['--json'], 'an option of the whole program');
  assert.deepEqual(await complete('completion', ''), ['bash', 'zsh', 'fish']);
  assert.deepEqual(await complete('run', '--', 'mak'), [], 'the shell offers files');
  assert.deepEqual(await complete('run', '--file', ''), []);
  const all = await complete('');
  assert.ok(all.includes('run') && all.includes('help') && !all.includes('__complete'), all.join(' '));
});
