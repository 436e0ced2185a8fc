import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { armFailpoints } from '../../kernel/failpoints.ts';
import { asProblem, makeServer, submit } from '../api.fixture.ts';
import type { LockView, PageView, RepositoryView } from '../contract.ts';

test('a repository is registered, shown, changed and removed', async () => {
  await using running = await makeServer();
  const body = {
    name: 'web',
    source: running.home.root,
    base: 'trunk',
    verify: [['npm', 'test']],
    limits: { concurrency: 2 },
  };
  const made = await running.call('POST', '/v1/repositories', { body });
  assert.equal(made.status, 201);
  const repository = made.json<RepositoryView>();
  assert.equal(repository.limits.concurrency, 2);
  assert.deepEqual(repository.verify, [['npm', 'test']]);
  assert.deepEqual((await running.call('GET', '/v1/repositories/web')).json(), repository);
  const list = (await running.call('GET', '/v1/repositories')).json<PageView<RepositoryView>>();
  assert.deepEqual(list.items.map(({ name }) => name).toSorted(), ['demo', 'web']);

  const patched = await running.call('PATCH', '/v1/repositories/web', { body: { limits: { concurrency: 9 } } });
  assert.equal(patched.json<RepositoryView>().limits.concurrency, 9);
  assert.deepEqual(patched.json<RepositoryView>().verify, [['npm', 'test']]);
  const removed = await running.call('DELETE', '/v1/repositories/web');
  assert.deepEqual([removed.status, removed.text], [204, '']);
  asProblem(await running.call('GET', '/v1/repositories/web'), 404, 'repository-not-found');
});

test('the journal tells who removed a repository', async () => {
  await using running = await makeServer();
  await running.call('POST', '/v1/repositories', { body: { name: 'web', source: running.home.root } });
  const { token } = (await running.call('POST', '/v1/tokens', { body: { name: 'ci' } })).json<{ token: string }>();
  assert.equal((await running.call('DELETE', '/v1/repositories/web', { token })).status, 204);
  const { text } = await running.call('GET', '/v1/events', { headers: { accept: 'application/json' } });
  assert.match(text, /"actor":"token:ci","kind":"repository\.remove"/);
});

test('the same registration twice makes one repository, another under its key is refused', async () => {
  await using running = await makeServer();
  const body = { name: 'web', source: running.home.root };
  const register = (more: object = {}): ReturnType<typeof running.call> =>
    running.call('POST', '/v1/repositories', { body: { ...body, ...more }, headers: { 'idempotency-key': 'k1' } });
  const first = await register();
  const again = await register();
  assert.deepEqual([first.status, again.status], [201, 201]);
  assert.equal(again.json<RepositoryView>().id, first.json<RepositoryView>().id);
  assert.equal(again.headers.get('idempotency-replayed'), 'true');
  assert.equal(first.headers.get('idempotency-replayed'), null);
  asProblem(await register({ base: 'other' }), 409, 'idempotency-conflict');
});

test('what is wrong with a registration is named', async () => {
  await using running = await makeServer();
  const source = running.home.root;
  const cases: [body: object, detail: RegExp, code?: string, status?: number][] = [
    [{ name: 'a' }, /^source: /],
    [{ source, name: 'a\0b' }, /^name: /, 'bad-name'],
    [{ source, name: '-x' }, /^name: /, 'bad-name'],
    [{ source, name: '../x' }, /^name: /, 'bad-name'],
    [{ source, name: 'x'.repeat(65) }, /^name: /, 'bad-name'],
    [{ source, name: '' }, /^name: /, 'bad-name'],
    [{ source: 'a\0b', name: 'a' }, /^source: /],
    [{ source, base: '--upload-pack=x' }, /^base: /],
    [{ source, base: 'a..b' }, /^base: /],
    [{ source, base: 'a b' }, /^base: /],
    [{ source, base: 'x.lock' }, /^base: /],
    [{ source, verify: ['npm test'] }, /^verify\.0: /],
    [{ source, limits: { concurrency: 0 } }, /^limits\.concurrency: /],
    [{ source, gates: [] }, /^gates: unknown field/],
    [{ source: join(source, 'missing') }, /missing/, 'not-a-repository', 422],
    [{ source, name: 'demo' }, /demo/, 'already-exists', 409],
  ];
  for (const [body, detail, code = 'bad-request', status = 400] of cases) {
    const problem = asProblem(await running.call('POST', '/v1/repositories', { body }), status, code);
    assert.match(problem.detail, detail);
  }
  for (const base of ['main', 'feature/x', 'v1.2', 'a-b_c']) {
    assert.equal((await running.call('PATCH', '/v1/repositories/demo', { body: { base } })).status, 200, base);
  }
  asProblem(await running.call('PATCH', '/v1/repositories/demo', { body: {} }), 400, 'bad-request');
  asProblem(await running.call('PATCH', '/v1/repositories/demo', { body: { source } }), 400, 'bad-request');
  asProblem(await running.call('PATCH', '/v1/repositories/nope', { body: { base: 'x' } }), 404, 'repository-not-found');
  await submit(running);
  asProblem(await running.call('DELETE', '/v1/repositories/demo'), 409, 'repository-busy');
});

test('a fault after a change of settings answers an error, the change stays', async () => {
  await using running = await makeServer();
  try {
    armFailpoints('api.after-settings:error');
    const answer = await running.call('PATCH', '/v1/repositories/demo', { body: { base: 'next' } });
    asProblem(answer, 503, 'storage-failed');
  } finally {
    armFailpoints(undefined);
  }
  assert.equal((await running.call('GET', '/v1/repositories/demo')).json<RepositoryView>().base, 'next');
});

test('locks name their holder', async () => {
  await using running = await makeServer();
  const holder = { pid: 12, start: '345' };
  await running.store.acquireLock({ key: 'repo:demo', boot: 'boot_x', holder, operation: 'op_1', jobId: null });
  const { items } = (await running.call('GET', '/v1/locks')).json<PageView<LockView>>();
  assert.deepEqual(
    items.map(({ key, holder: who, operation }) => ({ key, who, operation })),
    [{ key: 'repo:demo', who: holder, operation: 'op_1' }],
  );
});
