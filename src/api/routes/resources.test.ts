import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asProblem, makeServer, submit } from '../api.fixture.ts';
import type { PageView, ResourceView } from '../contract.ts';

test('resources are registered, listed, shown, removed and forgotten', async () => {
  await using running = await makeServer();
  const job = await submit(running);
  const path = `/v1/jobs/${job.id}/resources`;
  const body = { kind: 'container', target: 'db' };
  const made = await running.call('POST', path, { body });
  assert.equal(made.status, 201);
  const first = made.json<ResourceView>();
  assert.deepEqual([first.kind, first.target, first.state, first.jobId], ['container', 'db', 'registered', job.id]);
  assert.equal((await running.call('POST', path, { body })).json<ResourceView>().id, first.id);
  const second = (await running.call('POST', path, { body: { ...body, target: 'web' } })).json<ResourceView>();
  for (const list of [path, '/v1/resources']) {
    const page = (await running.call('GET', `${list}?limit=1`)).json<PageView<ResourceView>>();
    assert.equal(page.items.length, 1);
    const rest = (await running.call('GET', `${list}?cursor=${page.nextCursor ?? ''}`)).json<PageView<ResourceView>>();
    const ids = [...page.items, ...rest.items].map(({ id }) => id);
    assert.deepEqual(ids, [first.id, second.id].toSorted());
    asProblem(await running.call('GET', `${list}?cursor=abc`), 400, 'bad-request');
  }
  assert.deepEqual((await running.call('GET', `/v1/resources/${first.id}`)).json<ResourceView>(), first);
  asProblem(await running.call('GET', '/v1/resources/res_none'), 404, 'not-found');
  assert.equal((await running.call('DELETE', `${path}/${first.id}`)).json<ResourceView>().state, 'removed');
  assert.equal((await running.call('DELETE', `${path}/${first.id}`)).json<ResourceView>().state, 'removed');
  const forgotten = (await running.call('DELETE', `${path}/${second.id}?forget=true`)).json<ResourceView>();
  assert.deepEqual([forgotten.state, forgotten.note], ['removed', 'forgotten by local']);
  assert.deepEqual((await running.call('GET', '/v1/resources')).json<PageView<ResourceView>>().items, []);
});

test("an agent's token does so for its own job only, and cannot have anything forgotten", async () => {
  await using running = await makeServer();
  const [own, other] = [await submit(running), await submit(running)];
  const token = `job-token:${own.id}`;
  const body = { kind: 'container', target: 'db' };
  const made = await running.call('POST', `/v1/jobs/${own.id}/resources`, { body, token });
  const { id, principal } = made.json<ResourceView>();
  assert.equal(principal, `job:${own.id}`);
  asProblem(await running.call('POST', `/v1/jobs/${other.id}/resources`, { body, token }), 404, 'job-not-found');
  asProblem(await running.call('GET', '/v1/resources', { token }), 403, 'forbidden');
  const strange = await running.call('POST', `/v1/jobs/${other.id}/resources`, { body: { ...body, target: 'web' } });
  const path = `/v1/jobs/${own.id}/resources/${strange.json<ResourceView>().id}`;
  asProblem(await running.call('DELETE', path, { token }), 404, 'not-found');
  asProblem(
    await running.call('DELETE', `/v1/jobs/${own.id}/resources/${id}?forget=true`, { token }),
    403,
    'forbidden',
  );
  const removed = await running.call('DELETE', `/v1/jobs/${own.id}/resources/${id}`, { token });
  assert.equal(removed.json<ResourceView>().state, 'removed');
});

test('a body that names no kind, no target or too much is refused by field', async () => {
  await using running = await makeServer();
  const job = await submit(running);
  const bad = [{}, { kind: 'volume', target: 'x' }, { kind: 'path' }, { kind: 'path', target: '' }];
  for (const body of [...bad, { kind: 'path', target: 'x', force: true }]) {
    asProblem(await running.call('POST', `/v1/jobs/${job.id}/resources`, { body }), 400, 'bad-request');
  }
});
