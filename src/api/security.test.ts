import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  asProblem,
  callRaw,
  makeServer,
  openStream,
  ROOT_TOKEN,
  submit,
  until,
  type Answer,
  type Running,
} from './api.fixture.ts';
import type { CreatedTokenView, JobView, PageView, TokenView } from './contract.ts';

/** Every route of the server with a way to call it, taken from its own document so that none is forgotten. */
async function listRoutes(running: Running): Promise<{ method: string; path: string }[]> {
  const document = (await running.call('GET', '/openapi.json')).json<{ paths: Record<string, object> }>();
  const routes = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.keys(item).map((method) => ({ method: method.toUpperCase(), path: path.replaceAll(/\{\w+\}/g, '1') })),
  );
  assert.ok(routes.length >= 25, `${routes.length} routes`);
  return [...routes, { method: 'GET', path: '/openapi.json' }];
}

const PUBLIC = ['/healthz', '/readyz', '/auth/login'];

async function countJobs(running: Running): Promise<number> {
  return (await running.store.listJobs({})).items.length;
}

test('S01: a foreign Host is refused on every route, a configured one is not', async () => {
  await using running = await makeServer({ hosts: ['box.example'] });
  for (const { method, path } of await listRoutes(running)) {
    const answer = await callRaw(running, { method, path, headers: { host: 'evil.test' } });
    asProblem(answer, 403, 'forbidden');
  }
  const allowed = await callRaw(running, { path: '/v1/locks', headers: { host: 'box.example:9' } });
  assert.equal(allowed.status, 200);
});

test('S02: a foreign Origin or site is refused on every route, the streams too, and leaves no row', async () => {
  await using running = await makeServer();
  const routes = await listRoutes(running);
  for (const headers of [{ origin: 'https://evil.test' }, { origin: 'null' }, { 'sec-fetch-site': 'cross-site' }]) {
    for (const { method, path } of routes)
      asProblem(await callRaw(running, { method, path, headers }), 403, 'forbidden');
    const body = { repository: 'demo', prompt: 'x' };
    const cookie = { ...headers, cookie: `token=${ROOT_TOKEN}` };
    asProblem(await callRaw(running, { method: 'POST', path: '/v1/jobs', body, headers: cookie }), 403, 'forbidden');
  }
  assert.equal(await countJobs(running), 0);
  const own = { origin: `http://127.0.0.1:${running.port}`, 'sec-fetch-site': 'same-origin' };
  assert.equal((await callRaw(running, { path: '/v1/jobs', headers: own })).status, 200);
});

test('S03, S04: only JSON is a body', async () => {
  await using running = await makeServer();
  const json = JSON.stringify({ repository: 'demo', prompt: 'x' });
  const types = [
    'text/plain',
    'text/plain;charset=UTF-8',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/jsonp',
    'text/json',
    'application/problem+json',
    '',
  ];
  for (const type of types) {
    asProblem(await running.call('POST', '/v1/jobs', { raw: { body: json, type } }), 415, 'unsupported-media-type');
  }
  assert.equal(await countJobs(running), 0);
  const charset = { body: json, type: 'application/json; charset=utf-8' };
  assert.equal((await running.call('POST', '/v1/jobs', { raw: charset })).status, 201);
});

test('S05: an upgrade is an ordinary request: no token 401, foreign origin 403, and never 101', async () => {
  await using running = await makeServer();
  const upgrade = {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'eA==',
  };
  const path = '/v1/events';
  asProblem(await callRaw(running, { path, token: null, headers: upgrade }), 401, 'unauthorised');
  const foreign = { ...upgrade, origin: 'https://evil.test' };
  asProblem(await callRaw(running, { path, headers: foreign }), 403, 'forbidden');
});

test('S06: every route but the two health ones and the login wants a token, and says the same whatever is wrong with it', async () => {
  await using running = await makeServer();
  const made = (await running.call('POST', '/v1/tokens', { body: { name: 'ci' } })).json<CreatedTokenView>();
  assert.equal((await running.call('GET', '/v1/jobs', { token: made.token })).status, 200);
  const revoked = await running.call('DELETE', `/v1/tokens/${made.id}`);
  assert.notEqual(revoked.json<TokenView>().revokedAt, null);

  for (const { method, path } of await listRoutes(running)) {
    const answer = await running.call(method, path, { token: null });
    if (PUBLIC.includes(path)) assert.equal(answer.status, method === 'GET' ? 200 : 400, path);
    else asProblem(answer, 401, 'unauthorised');
  }
  asProblem(await running.call('GET', '/no/such/route', { token: null }), 401, 'unauthorised');

  const bodies = new Set<string>();
  const wrong = { authorization: `Basic ${ROOT_TOKEN}` };
  for (const answer of [
    await running.call('GET', '/v1/jobs', { token: null }),
    await running.call('GET', '/v1/jobs', { token: 'wrong' }),
    await running.call('GET', '/v1/jobs', { token: made.token }),
    await running.call('GET', '/v1/jobs', { token: `${ROOT_TOKEN}x` }),
    await running.call('GET', '/v1/jobs', { token: null, headers: wrong }),
    await running.call('GET', `/v1/jobs?token=${ROOT_TOKEN}`, { token: null }),
    await running.call('GET', `/v1/jobs?access_token=${ROOT_TOKEN}`),
  ]) {
    asProblem(answer, 401, 'unauthorised');
    assert.equal(answer.headers.get('www-authenticate'), 'Bearer');
    bodies.add(answer.text);
  }
  assert.equal(bodies.size, 1);
});

test('a token is shown once and kept as its hash', async () => {
  await using running = await makeServer();
  const made = (await running.call('POST', '/v1/tokens', { body: { name: 'ci' } })).json<CreatedTokenView>();
  const list = await running.call('GET', '/v1/tokens');
  assert.deepEqual(
    list.json<PageView<TokenView>>().items.map(({ id, name }) => ({ id, name })),
    [{ id: made.id, name: 'ci' }],
  );
  assert.ok(!list.text.includes(made.token));
  const [row] = await running.store.listTokens();
  assert.ok(row !== undefined && row.sha256 !== made.token);
  const events = await running.call('GET', '/v1/events', { headers: { accept: 'application/json' } });
  assert.ok(events.text.includes('token.') && !events.text.includes(row.sha256));
  asProblem(await running.call('DELETE', '/v1/tokens/tok_none'), 404, 'not-found');
});

test('failed attempts are limited, calls with a token are not', async () => {
  await using running = await makeServer();
  const guess = (): Promise<Answer> => running.call('GET', '/v1/jobs', { token: 'guess' });
  let limited = await guess();
  for (let i = 0; i < 1000 && limited.status !== 429; i++) limited = await guess();
  asProblem(limited, 429, 'rate-limited');
  assert.ok(Number(limited.headers.get('retry-after')) > 0);
  for (let i = 0; i < 20; i++) assert.equal((await running.call('GET', '/v1/jobs')).status, 200);
});

test('S11: one stream too many is refused, and a closed one makes room', async () => {
  await using running = await makeServer({ streams: { total: 2 } });
  const { id } = await submit(running, { start: false });
  const first = await openStream(running, '/v1/events');
  const second = await openStream(running, `/v1/jobs/${id}/stream`);
  const refused = await running.call('GET', '/v1/events');
  asProblem(refused, 503, 'streams-full');
  assert.ok(Number(refused.headers.get('retry-after')) > 0);
  first.close();
  const third = await until('room', async () => {
    const next = await openStream(running, '/v1/events');
    return next.response.status === 200 ? next : null;
  });
  second.close();
  third.close();
});

test('S08: no CORS header, ever', async () => {
  await using running = await makeServer();
  for (const origin of ['https://evil.test', `http://127.0.0.1:${running.port}`]) {
    const headers = {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization',
    };
    for (const method of ['OPTIONS', 'GET']) {
      const answer = await callRaw(running, { method, path: '/v1/jobs', headers });
      assert.deepEqual(
        [...answer.headers.keys()].filter((name) => name.startsWith('access-control')),
        [],
      );
    }
  }
});

test('every answer carries the security headers, errors and streams too', async () => {
  await using running = await makeServer();
  const csp =
    "default-src 'none';script-src 'self';style-src 'self';img-src 'self' data:;connect-src 'self';" +
    "font-src 'self';frame-ancestors 'none';base-uri 'none';form-action 'self'";
  const stream = await openStream(running, '/v1/events');
  const answers = [
    await running.call('GET', '/healthz', { token: null }),
    await running.call('GET', '/v1/jobs'),
    await running.call('GET', '/v1/jobs', { token: null }),
    await running.call('GET', '/no/such/route'),
    stream.response,
  ];
  stream.close();
  for (const { headers } of answers) {
    assert.equal(headers.get('content-security-policy'), csp);
    assert.equal(headers.get('x-content-type-options'), 'nosniff');
    assert.equal(headers.get('x-frame-options'), 'DENY');
    assert.equal(headers.get('cache-control'), 'no-store');
    assert.equal(headers.get('strict-transport-security'), null);
  }
});

test("S13, S15: an agent's token reads its own job and nothing else", async () => {
  await using running = await makeServer();
  const own = await submit(running);
  const other = await submit(running);
  const token = `job-token:${own.id}`;
  for (const reference of [own.id, own.number]) {
    for (const route of ['', '/attempts', '/timeline', '/output', '/diff']) {
      const answer = await running.call('GET', `/v1/jobs/${reference}${route}`, { token });
      assert.equal(answer.status, 200, route);
    }
  }
  for (const route of ['', '/attempts', '/attempts/1', '/timeline', '/output', '/diff', '/stream']) {
    for (const reference of [other.id, other.number]) {
      asProblem(await running.call('GET', `/v1/jobs/${reference}${route}`, { token }), 404, 'job-not-found');
    }
  }
  for (const { method, path } of await listRoutes(running)) {
    if (PUBLIC.includes(path) || (method === 'GET' && path.startsWith('/v1/jobs/'))) continue;
    // What a job made outside it may register and remove itself; see routes/resources.test.ts.
    if (path.startsWith('/v1/jobs/1/resources')) continue;
    asProblem(await running.call(method, path, { token }), 403, 'forbidden');
  }
  asProblem(await running.call('GET', '/no/such/route', { token }), 403, 'forbidden');
  asProblem(await running.call('POST', `/v1/jobs/${own.id}/cancel`, { token }), 403, 'forbidden');
  assert.equal((await running.call('GET', `/v1/jobs/${own.id}`)).json<JobView>().state, 'queued');
});

test('S17: a cursor that was changed is refused by name', async () => {
  await using running = await makeServer();
  for (let i = 0; i < 3; i++) await submit(running);
  const lists = ['/v1/jobs', '/v1/queue', '/v1/jobs/1/timeline', '/v1/events'];
  const headers = { accept: 'application/json' };
  for (const list of lists) {
    const first = await running.call('GET', `${list}?limit=1`, { headers });
    const cursor = first.json<PageView<unknown>>().nextCursor;
    if (list !== '/v1/jobs/1/timeline') assert.ok(cursor !== null, list);
    const good = cursor ?? 'bm9uZQ';
    const middle = Math.floor(good.length / 2);
    const flipped = good.slice(0, middle) + (good[middle] === 'A' ? 'B' : 'A') + good.slice(middle + 1);
    for (const bad of [flipped, `${good}!`, `${good}A`, good.slice(0, -1), "1' OR 1=1 --", 'MTA', '%00', '-1']) {
      const query = new URLSearchParams({ cursor: bad });
      const problem = asProblem(
        await running.call('GET', `${list}?${query.toString()}`, { headers }),
        400,
        'bad-request',
      );
      assert.match(problem.detail, /^cursor: /);
    }
    if (cursor === null) continue;
    assert.equal((await running.call('GET', `${list}?cursor=${cursor}`, { headers })).status, 200);
    const elsewhere = list === '/v1/queue' ? '/v1/jobs' : '/v1/queue';
    asProblem(await running.call('GET', `${elsewhere}?cursor=${cursor}`, { headers }), 400, 'bad-request');
  }
});

test('S48: the log holds no token, no cookie, no prompt and no query', async () => {
  const lines: string[] = [];
  const say = (message: string, fields?: Record<string, unknown>): void =>
    void lines.push(`${message} ${JSON.stringify(fields)}`);
  await using running = await makeServer({ log: { debug: say, info: say, warn: say, error: say } });
  await submit(running, { prompt: 'PROMPT-SECRET' });
  const headers = { cookie: 'COOKIE-SECRET=1' };
  await running.call('GET', '/v1/jobs?repository=QUERY-SECRET', { headers });
  await running.call('GET', '/v1/jobs?token=TOKEN-SECRET', { headers });
  await running.call('POST', '/v1/jobs', { raw: { body: '{"prompt":"BODY-SECRET"', type: 'application/json' } });
  await until('four lines', () => lines.length >= 4);
  assert.doesNotMatch(lines.join('\n'), /SECRET|root-token/);
});
