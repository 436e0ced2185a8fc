import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, it } from 'node:test';
import { systemClock } from '../kernel/clock.ts';
import { isError } from '../kernel/errors.ts';
import { armFailpoints, type FailpointName } from '../kernel/failpoints.ts';
import { sha256 } from '../kernel/hash.ts';
import type { Log } from '../kernel/log.ts';
import { openSqliteStore } from '../store/sqlite/sqlite-store.ts';
import { createSecretRotation } from './rotate-secret.ts';
import { openSecrets } from './secrets.ts';

const silent: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

afterEach(() => armFailpoints(undefined));

/** A store and a secret in a directory of their own; `again` is what the next server makes of them. */
async function open() {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-rotation-'));
  const store = openSqliteStore({ path: join(folder, 'holdfast.db') });
  await store.start();
  const directory = join(folder, 'home');
  mkdirSync(directory);
  const path = join(directory, 'secret.json');
  const again = () => {
    const secrets = openSecrets(path, systemClock);
    return { secrets, ...createSecretRotation({ store, secrets, log: silent }) };
  };
  const told = async (): Promise<string[]> => {
    const events = await store.listEvents({ after: 0, limit: 100 });
    return events.map(({ kind, actor, data }) =>
      `${kind} ${actor} ${(data['secretSha256'] as string | undefined) ?? ''}`.trim(),
    );
  };
  return {
    store,
    directory,
    path,
    again,
    told,
    async [Symbol.asyncDispose]() {
      await store.stop();
      rmSync(folder, { recursive: true });
    },
  };
}

it('tells in the journal who wished for which secret, and never the secret', async () => {
  await using home = await open();
  const server = home.again();
  const old = server.secrets.read().current;
  const [first, second] = await Promise.all([server.rotate('ann'), server.rotate('bob')]);
  assert.deepEqual(
    first.previous.map(({ secret }) => secret),
    [old],
  );
  assert.deepEqual(
    second.previous.map(({ secret }) => secret),
    [first.current, old],
  );
  assert.deepEqual(await home.told(), [
    `rotation.intend ann ${sha256(first.current)}`,
    'rotation.finish ann',
    `rotation.intend bob ${sha256(second.current)}`,
    'rotation.finish bob',
  ]);
  const text = JSON.stringify(await home.store.listEvents({ after: 0, limit: 100 }));
  assert.ok(!text.includes(second.current.slice(6)));
});

for (const [point, isDone] of [
  ['callbacks.after-rotation-intent', false],
  ['callbacks.after-rotation', true],
  ['callbacks.after-rotation-record', true],
] as const satisfies [FailpointName, boolean][]) {
  it(`cut off at ${point}, it ${isDone ? 'has' : 'has not'} happened, and the record says so`, async () => {
    await using home = await open();
    const server = home.again();
    const old = server.secrets.read().current;
    armFailpoints(`${point}:error`);
    await assert.rejects(server.rotate('ann'), /failpoint/);
    const next = home.again();
    await next.settle();
    assert.equal(next.secrets.read().current !== old, isDone);
    const [intent = '', ...rest] = await home.told();
    assert.equal(intent.endsWith(sha256(next.secrets.read().current)), isDone);
    assert.deepEqual(rest, [isDone ? 'rotation.finish ann' : 'rotation.fail ann']);
    await next.settle();
    assert.equal((await home.told()).length, 2, 'once');
    assert.equal((await next.rotate('bob')).previous.length, isDone ? 2 : 1);
  });
}

it('what cannot be written or read is told, and what was intended waits until it can be', async () => {
  await using home = await open();
  const server = home.again();
  const { current } = server.secrets.read();
  const aside = `${home.directory}-aside`;
  renameSync(home.directory, aside);
  await assert.rejects(server.rotate('ann'));
  assert.deepEqual(await home.store.findOpenRotation().then((one) => one?.state), 'intended');
  renameSync(aside, home.directory);
  await home.again().settle();
  assert.deepEqual((await home.told()).slice(1), ['rotation.fail ann']);
  assert.equal(server.secrets.reload().current, current);
  writeFileSync(home.path, '{}');
  await assert.rejects(home.again().rotate('ann'), (error) => isError(error, 'home-unusable'));
  assert.equal((await home.told()).length, 2, 'nothing more was intended');
});
