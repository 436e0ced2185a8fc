/** Runs the acceptance script of the batch API, and reads what it shows. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';

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

/** Runs these parts of the script with `env`, and fails unless each shows every moment of its crash and passes. */
export async function passBatchScript(parts: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<void> {
  const missing = TOOLS.filter((tool) => !isInstalled(tool));
  assert.deepEqual(missing, [], 'these are not installed; as root, scripts/install-test-tools.sh brings them');
  const child = spawn(SCRIPT, [...parts], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const code = await new Promise<number | null>((done) => child.once('close', done));
  assert.equal(code, 0, `replay with: test/acceptance/batch-api.sh ${parts.join(' ')}\n${text}`);
  const shown = text.split('\n== ').slice(1);
  assert.equal(shown.length, parts.length, text);
  for (const part of shown) {
    const moments = part.split('\n').flatMap((line) => /^(\w+): /.exec(line)?.[1] ?? []);
    assert.deepEqual([...new Set(moments)].slice(0, MOMENTS.length), MOMENTS, part);
  }
}
