/** Idempotency-Key on what creates tokens, accounts, resources and backups; that of jobs and repositories is tested beside them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asProblem, makeServer, makeWorld, submit, type Running } from './api.fixture.ts';
import type { AccountView, BackupView, CreatedTokenView, PageView, ResourceView, TokenView } from './contract.ts';

const headers = { 'idempotency-key': 'key-1' };
const PASSWORD = 'a long password';

async function listTokens(running: Running): Promise<TokenView[]> {
  return (await running.call('GET', '/v1/tokens')).json<PageView<TokenView>>().items;
}

test('a token is made once: a repetition names it, another body is a conflict, another caller is independent', async () => {
  await using world = await makeWorld();
  const first = await world.start();
  const body = { name: 'ci' };
  const made = (await first.call('POST', '/v1/tokens', { body, headers })).json<CreatedTokenView>();
  await first.close();
  await first.store.stop();
  const running = await world.start();
  const repeated = await running.call('POST', '/v1/tokens', { body, headers });
  const problem = asProblem(repeated, 409, 'token-shown');
  assert.match(problem.detail, new RegExp(`the key already made token ${made.id} \\("ci"\\) at 2\\d{3}-.*Z$`));
  assert.match(problem.hint, new RegExp(`holdfast token revoke ${made.id}`));
  assert.ok(!repeated.text.includes(made.token), 'nobody knows it any more');
  const other = { name: 'cd' };
  asProblem(await running.call('POST', '/v1/tokens', { body: other, headers }), 409, 'idempotency-conflict');
  assert.equal((await listTokens(running)).length, 1);
  const use = { headers, token: made.token };
  assert.equal((await running.call('POST', '/v1/tokens', { body: other, ...use })).status, 201);
  await running.call('DELETE', `/v1/tokens/${made.id}`);
  const late = asProblem(await running.call('POST', '/v1/tokens', { body, headers }), 409, 'token-shown');
  assert.match(late.detail, /; it was revoked at 2/);
  for (const key of ['', 'a b', 'x'.repeat(256)]) {
    const bad = await running.call('POST', '/v1/tokens', { body, headers: { 'idempotency-key': key } });
    asProblem(bad, 400, 'bad-request');
  }
  const { text } = await running.call('GET', '/v1/events', { headers: { accept: 'application/json' } });
  assert.match(text, /"actor":"token:ci","kind":"token\.add"/, 'the journal tells who made it');
});

test('many at once under one key make one token, and one of them is shown it', async () => {
  await using running = await makeServer();
  const calls = Array.from({ length: 8 }, () => running.call('POST', '/v1/tokens', { body: { name: 'ci' }, headers }));
  const statuses = (await Promise.all(calls)).map(({ status }) => status).toSorted((a, b) => a - b);
  assert.deepEqual(statuses, [201, ...Array.from({ length: 7 }, () => 409)]);
  assert.equal((await listTokens(running)).length, 1);
});

test('an account is made once: the same name and password give it again, another password is a conflict', async () => {
  await using running = await makeServer();
  const body = { name: 'ann', password: PASSWORD };
  const create = (changes: object = {}) =>
    running.call('POST', '/v1/accounts', { body: { ...body, ...changes }, headers });
  const first = await create();
  const again = await create();
  assert.deepEqual([first.status, again.status], [201, 201]);
  assert.deepEqual(
    [first, again].map((answer) => answer.headers.get('idempotency-replayed')),
    [null, 'true'],
  );
  assert.deepEqual(again.json<AccountView>(), first.json<AccountView>());
  asProblem(await create({ password: 'another password' }), 409, 'idempotency-conflict');
  asProblem(await create({ name: 'bob' }), 409, 'idempotency-conflict');
  asProblem(await running.call('POST', '/v1/accounts', { body }), 409, 'already-exists');
  const { id } = first.json<AccountView>();
  await running.call('DELETE', `/v1/accounts/${id}`);
  const late = (await create()).json<AccountView>();
  assert.deepEqual([late.id, late.revokedAt === null], [id, false], 'a repetition brings nothing back');
  const { text } = await running.call('GET', '/v1/events', { headers: { accept: 'application/json' } });
  assert.doesNotMatch(text, /long password/);
});

test('a resource is registered once: a repetition finds it also when it is gone', async () => {
  await using running = await makeServer();
  const job = await submit(running);
  const path = `/v1/jobs/${job.id}/resources`;
  const body = { kind: 'container', target: 'db' };
  const first = await running.call('POST', path, { body, headers });
  const again = await running.call('POST', path, { body: { target: 'db', kind: 'container' }, headers });
  assert.deepEqual(
    [first, again].map((answer) => [answer.status, answer.headers.get('idempotency-replayed')]),
    [
      [201, null],
      [201, 'true'],
    ],
  );
  assert.deepEqual(again.json<ResourceView>(), first.json<ResourceView>());
  asProblem(
    await running.call('POST', path, { body: { ...body, target: 'web' }, headers }),
    409,
    'idempotency-conflict',
  );
  const other = await submit(running);
  const elsewhere = `/v1/jobs/${other.id}/resources`;
  asProblem(await running.call('POST', elsewhere, { body, headers }), 409, 'idempotency-conflict');
  const { id } = first.json<ResourceView>();
  await running.call('DELETE', `${path}/${id}`);
  const late = (await running.call('POST', path, { body, headers })).json<ResourceView>();
  assert.deepEqual([late.id, late.state], [id, 'removed']);
  const token = `job-token:${job.id}`;
  const own = await running.call('POST', path, { body: { ...body, target: 'cache' }, headers, token });
  assert.equal(own.status, 201, 'the key of a job is its own');
});

test('a backup is begun once: a repetition finds it, another place under its key is a conflict', async () => {
  await using running = await makeServer();
  const begin = (path: string, key?: string) =>
    running.call('POST', '/v1/backups', {
      body: { path },
      headers: key === undefined ? {} : { 'idempotency-key': key },
    });
  const first = await begin('/b/one', 'key-1');
  const again = await begin('/b/one', 'key-1');
  assert.deepEqual(
    [first, again].map((answer) => [answer.status, answer.headers.get('idempotency-replayed')]),
    [
      [202, null],
      [202, 'true'],
    ],
  );
  assert.deepEqual(again.json<BackupView>(), first.json<BackupView>());
  asProblem(await begin('/b/two', 'key-1'), 409, 'idempotency-conflict');
  asProblem(await begin('/b/two'), 409, 'state-conflict');
  asProblem(await begin('/b/two', 'a b'), 400, 'bad-request');
  const { items } = (await running.call('GET', '/v1/backups')).json<PageView<BackupView>>();
  assert.equal(items.length, 1);
});
