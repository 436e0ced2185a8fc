import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isError } from '../kernel/errors.ts';
import { readConfig, type Config } from './config.ts';

async function read(config: unknown): Promise<Config> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-config-'));
  try {
    const path = join(directory, 'holdfast.config.json');
    await writeFile(path, JSON.stringify(config));
    return await readConfig(path, true);
  } finally {
    await rm(directory, { recursive: true });
  }
}

function refuses(config: unknown, detail: RegExp): Promise<void> {
  return assert.rejects(read(config), (error) => isError(error, 'bad-config') && detail.test(error.detail));
}

test('a span is milliseconds or a text, and a wrong one is told with its file and key', async () => {
  const config = await read({ limits: { attempt: { wallMs: '1h30m', idleMs: 5000 } }, accounts: { sessionMs: '2h' } });
  assert.deepEqual([config.limits.attempt.wallMs, config.limits.attempt.idleMs], [5_400_000, 5000]);
  assert.equal(config.accounts.sessionMs, 7_200_000);
  await refuses(
    { limits: { attempt: { wallMs: '1 hour' } } },
    /holdfast\.config\.json: limits\.attempt\.wallMs: "1 hour" is/,
  );
  await refuses({ accounts: { sessionMs: '999999d' } }, /holdfast\.config\.json: accounts\.sessionMs: /);
  await refuses({ accounts: { sessionMs: true } }, /holdfast\.config\.json: accounts\.sessionMs: must be milliseconds/);
});

test('a default agent nobody knows is refused by its name; one of the configuration is known', async () => {
  await refuses({ defaultAgent: 'cluade' }, /defaultAgent: there is no agent "cluade"; known are exec, scripted/);
  assert.equal(
    (await read({ defaultAgent: 'mine', agents: { mine: { command: ['mine', '{prompt}'] } } })).defaultAgent,
    'mine',
  );
  assert.equal((await read({ defaultAgent: 'scripted' })).defaultAgent, 'scripted');
});
