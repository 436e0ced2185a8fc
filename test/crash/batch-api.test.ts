/** The acceptance test of the batch API, which is a script: what a client without our code sees of a crash. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { test } from 'node:test';
import { isFull } from './size.ts';

const SCRIPT = resolve(import.meta.dirname, '../acceptance/batch-api.sh');
const TOOLS = ['curl', 'jq', 'git', 'mkfifo', 'cmp'];
/** What every part has to show. */
const MOMENTS = ['before', 'kill', 'after', 'restart', 'end'];

function isInstalled(tool: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((directory) => {
    try {
      accessSync(join(directory, tool), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

async function runScript(parts: readonly string[]): Promise<string> {
  const missing = TOOLS.filter((tool) => !isInstalled(tool));
  assert.deepEqual(missing, [], 'these are not installed; as root, scripts/install-test-tools.sh brings them');
  const child = spawn(SCRIPT, [...parts], {
    env: process.env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const code = await new Promise<number | null>((done) => child.once('close', done));
  assert.equal(code, 0, `replay with: test/acceptance/batch-api.sh ${parts.join(' ')}\n${text}`);
  return text;
}

function checkShown(text: string, parts: number): void {
  const shown = text.split('\n== ').slice(1);
  assert.equal(shown.length, parts, text);
  for (const part of shown) {
    const moments = part.split('\n').flatMap((line) => /^(\w+): /.exec(line)?.[1] ?? []);
    assert.deepEqual([...new Set(moments)].slice(0, MOMENTS.length), MOMENTS, part);
  }
}

test('a client of the batch API retrieves its output through a crash', { timeout: 120_000 }, async () => {
  checkShown(await runScript(['output']), 1);
});

// The sample of every run is one part: the others take their time.
if (isFull) {
  test('a client of the batch API finds queue and locks as they were', { timeout: 300_000 }, async () => {
    checkShown(await runScript(['queue', 'lock']), 2);
  });
}
