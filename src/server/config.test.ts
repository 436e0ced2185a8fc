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

test('retention: a span, "never" or null; keys nobody knows and jobs that go before their workspaces are refused', async () => {
  const day = 86_400_000;
  assert.deepEqual((await read({})).retention, { workspacesMs: 7 * day, jobsMs: 90 * day });
  const of = async (retention: unknown): Promise<unknown> => (await read({ retention })).retention;
  assert.deepEqual(await of({ workspaces: '12h' }), { workspacesMs: day / 2, jobsMs: 90 * day });
  assert.deepEqual(await of({ workspaces: 'never', jobs: null }), { workspacesMs: null, jobsMs: null });
  assert.deepEqual(await of({ workspaces: 5000, jobs: 5000 }), { workspacesMs: 5000, jobsMs: 5000 });
  assert.deepEqual(await of({ workspaces: null, jobs: '1d' }), { workspacesMs: null, jobsMs: day });
  await refuses({ retention: { jobs: '2d' } }, /retention\.jobs: is shorter than retention\.workspaces/);
  await refuses({ retention: { workspaces: '91d' } }, /retention\.jobs: is shorter/);
  await refuses({ retention: { workspace: '7d' } }, /retention: .*"workspace"/);
  await refuses({ retention: { jobs: 'soon' } }, /retention\.jobs: "soon" is not a duration; it must be/);
  await refuses({ retention: { jobs: 0 } }, /retention\.jobs: /);
  await refuses({ retention: { workspaces: false } }, /retention\.workspaces: must be milliseconds, a text like 7d/);
});

test('the places for event streams are whole numbers from one on', async () => {
  const { limits } = await read({ limits: { streams: 2000 } });
  assert.deepEqual([limits.streams, limits.streamsPerPrincipal], [2000, 1000]);
  await refuses({ limits: { streams: 0 } }, /limits\.streams: /);
  await refuses({ limits: { streamsPerPrincipal: '9' } }, /limits\.streamsPerPrincipal: /);
});

test('heartbeat: from which age on it is called stale and dead, in this order', async () => {
  assert.deepEqual((await read({})).heartbeat, { staleMs: 120_000, deadMs: 600_000 });
  assert.deepEqual((await read({ heartbeat: { stale: '5m' } })).heartbeat, { staleMs: 300_000, deadMs: 600_000 });
  await refuses({ heartbeat: { stale: '10m' } }, /heartbeat\.dead: must be longer than heartbeat\.stale/);
  await refuses({ heartbeat: { fresh: '1m' } }, /heartbeat: .*"fresh"/);
});
