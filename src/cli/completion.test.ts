/** Tab completion: in a real bash; for zsh and fish, what they read where they are installed, and what they are given. */
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

/** The script of a shell, as the program prints it. */
async function scriptOf(shell: string): Promise<string> {
  return (await promisify(execFile)(BIN, ['completion', shell])).stdout;
}

/** What a shell says of a script it only reads; null where it is not installed. */
async function readBy(shell: string, script: string): Promise<string | null> {
  try {
    const reading = promisify(execFile)(shell, ['-n', '/dev/stdin']);
    reading.child.stdin?.end(script);
    return (await reading).stderr;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    return String(error);
  }
}

test('zsh and fish are given scripts they can read, that ask the program itself', { timeout: 120_000 }, async () => {
  // The words up to the cursor and nothing after it, behind `--` so that none is taken for an option of the question.
  const asks = {
    zsh: '"${words[1]}" __complete -- "${(@)words[2,CURRENT]}"',
    fish: 'holdfast __complete -- (commandline -opc)[2..-1] (commandline -ct)',
  };
  for (const [shell, ask] of Object.entries(asks)) {
    const script = await scriptOf(shell);
    assert.ok(script.includes(ask), script);
    for (const [open, close] of ['()', '{}', '[]'] as const) {
      assert.equal(script.split(open ?? '').length, script.split(close ?? '').length, `${shell}: ${open} and ${close}`);
    }
    assert.match(
      script,
      shell === 'zsh'
        ? /^#compdef holdfast\n[^]*\ncompdef _holdfast holdfast\n$/
        : /^complete -c holdfast -a '[^']*'\n$/,
    );
    assert.ok(['', null].includes(await readBy(shell, script)), shell);
    // What is read, not only that it is: a script that is cut off does not pass for one.
    assert.notEqual(await readBy(shell, `${script}\nif (`), '', shell);
  }
  const zsh = await scriptOf('zsh');
  assert.match(
    zsh,
    /then _describe holdfast found; else _files; fi/,
    'where the program has no answer it offers files',
  );
});
