import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { fail, isError, type ErrorCode } from '../kernel/errors.ts';
import { Client } from './client.ts';

type Answer = (request: IncomingMessage, response: ServerResponse, nth: number) => void;

/** The other end of the wire, misbehaving as told; counts the requests it gets. */
async function listen(t: TestContext, answer: Answer): Promise<{ url: string; count: () => number }> {
  let count = 0;
  const server = createServer((request, response) => {
    count += 1;
    request.resume().once('end', () => answer(request, response, count));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => new Promise((resolve) => server.close(resolve).closeAllConnections()));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, count: () => count };
}

function connect(url: string | (() => string), token: string | null = 'secret'): Client {
  return new Client({
    find: async () => ({
      url: typeof url === 'string' ? url : url(),
      token,
      bootId: null,
      pid: null,
      certificate: null,
    }),
    notice: () => undefined,
    interrupted: new AbortController().signal,
  });
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

const is = (code: ErrorCode) => (error: unknown) => isError(error, code);

test('a call carries the token, the query and the body', async (t) => {
  const seen: unknown[] = [];
  const { url } = await listen(t, (request, response) => {
    const { authorization, 'content-type': type, 'idempotency-key': key } = request.headers;
    seen.push([request.method, request.url, authorization, type, key]);
    json(response, 200, { ok: true });
  });
  const client = connect(url);
  assert.deepEqual(await client.get('/v1/jobs', { limit: 2, state: null, repository: undefined, cursor: 'a b' }), {
    ok: true,
  });
  await client.call({ method: 'POST', path: '/v1/jobs', body: {}, idempotencyKey: 'k' });
  assert.deepEqual(seen, [
    ['GET', '/v1/jobs?limit=2&cursor=a+b', 'Bearer secret', undefined, undefined],
    ['POST', '/v1/jobs', 'Bearer secret', 'application/json', 'k'],
  ]);
});

test('what may happen twice is repeated when the connection breaks, anything else is not', async (t) => {
  const { url, count } = await listen(t, (request, response, nth) => {
    if (nth % 2 === 1) request.socket.destroy();
    else json(response, 200, nth);
  });
  const client = connect(url);
  assert.equal(await client.get('/a'), 2);
  assert.equal(await client.call({ method: 'POST', path: '/b', body: {}, idempotencyKey: 'k' }), 4);
  await assert.rejects(client.post('/c'), is('server-unreachable'));
  assert.equal(count(), 5);
});

test('every try asks anew where the server is', async (t) => {
  const { url } = await listen(t, (_request, response) => json(response, 200, 'here'));
  const places = ['http://127.0.0.1:1', 'http://127.0.0.1:1', url];
  assert.equal(await connect(() => places.shift() ?? '').get('/'), 'here');
});

test('a home that names no server is not asked again', async () => {
  let asked = 0;
  const client = new Client({
    find: async () => {
      asked += 1;
      throw fail('server-unreachable', 'no server');
    },
    notice: () => undefined,
    interrupted: new AbortController().signal,
  });
  await assert.rejects(client.get('/'), is('server-unreachable'));
  assert.equal(asked, 1);
});

test('a server that is still recovering did nothing, so every method waits for it', async (t) => {
  const { url, count } = await listen(t, (_request, response, nth) => {
    if (nth < 4) json(response, 503, { code: 'not-ready', detail: 'recovering' });
    else json(response, 200, 'done');
  });
  assert.equal(await connect(url).post('/'), 'done');
  assert.equal(count(), 4);
});

test("the server's error arrives with its code, detail and hint", async (t) => {
  const { url } = await listen(t, (_request, response) => {
    json(response, 404, { code: 'job-not-found', title: 'No such job', detail: 'no job 9', hint: 'look' });
  });
  await assert.rejects(connect(url).get('/'), (error) => {
    return isError(error, 'job-not-found') && error.detail === 'no job 9' && error.hint === 'look' && error.exit === 3;
  });
});

test('an unknown code of a newer server keeps the kind its status tells', async (t) => {
  const kinds: [number, ErrorCode][] = [
    [400, 'bad-request'],
    [401, 'unauthorised'],
    [403, 'forbidden'],
    [404, 'not-found'],
    [409, 'state-conflict'],
    [418, 'bad-request'],
    [500, 'internal'],
  ];
  const { url } = await listen(t, (request, response) => {
    json(response, Number(request.url?.slice(1)), { code: 'brand-new', detail: 'x' });
  });
  for (const [status, code] of kinds) await assert.rejects(connect(url).get(`/${status}`), is(code), String(status));
});

test('an answer that is not of Holdfast is said to be none', async (t) => {
  const { url } = await listen(t, (request, response) => {
    if (request.url === '/html') response.writeHead(502).end('<html>');
    else if (request.url === '/cut')
      response.writeHead(200, { 'content-length': 100 }).write('{"a"', () => request.socket.destroy());
    else response.writeHead(200).end('not json');
  });
  for (const path of ['/html', '/cut', '/text'])
    await assert.rejects(connect(url).get(path), is('server-unreachable'), path);
});

test('a redirect is not followed: the token would go along', async (t) => {
  const other = await listen(t, (_request, response) => json(response, 200, 'stolen'));
  const { url } = await listen(t, (_request, response) => response.writeHead(307, { location: other.url }).end());
  await assert.rejects(connect(url).post('/'), is('server-unreachable'));
  assert.equal(other.count(), 0);
});

test('a server that takes the call and stays silent is given up on', async (t) => {
  const { url } = await listen(t, () => undefined);
  await assert.rejects(connect(url).call({ method: 'POST', path: '/', timeoutMs: 50 }), (error) => {
    return isError(error, 'server-unreachable') && error.hint.includes('--takeover');
  });
});

test('an interrupt ends a call with its own reason', async (t) => {
  const { url } = await listen(t, () => undefined);
  const interrupt = new AbortController();
  const client = new Client({
    find: async () => ({ url, token: null, bootId: null, pid: null, certificate: null }),
    notice: () => undefined,
    interrupted: interrupt.signal,
  });
  const call = client.get('/');
  setTimeout(() => interrupt.abort(fail('interrupted', 'Ctrl-C')), 20);
  await assert.rejects(call, is('interrupted'));
});
