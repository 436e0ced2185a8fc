import assert from 'node:assert/strict';
import type { LookupAddress } from 'node:dns';
import { createServer as createTcpServer, type AddressInfo } from 'node:net';
import { it } from 'node:test';
import { systemClock } from '../kernel/clock.ts';
import { parseAllowlist } from './allowlist.ts';
import { createGuard } from './guard.ts';
import type { TryResult } from './judge-try.ts';
import { createSender } from './send.ts';
import { openSink } from './sink.fixture.ts';

const LOOPBACK: LookupAddress[] = [{ address: '127.0.0.1', family: 4 }];

async function send(
  url: string,
  options: { allow?: string[]; addresses?: () => LookupAddress[]; timeoutMs?: number; signal?: AbortSignal } = {},
): Promise<TryResult> {
  const { allow = ['127.0.0.0/8'], addresses = () => LOOPBACK, timeoutMs = 10_000 } = options;
  const guard = createGuard({ allow: parseAllowlist(allow), lookup: async () => addresses(), clock: systemClock });
  const sender = createSender({ guard, timeoutMs });
  try {
    const message = { url, headers: { 'webhook-id': 'dlv_1' }, body: '{"é":1}' };
    return await sender.send(message, options.signal ?? new AbortController().signal);
  } finally {
    sender.close();
  }
}

it('posts the exact bytes, once', async () => {
  await using sink = await openSink();
  assert.deepEqual(await send(`${sink.url}/a?b=c`), { kind: 'answer', status: 204, retryAfter: null });
  assert.deepEqual(
    sink.received.map(({ path, body, id }) => [path, body, id]),
    [['/a?b=c', '{"é":1}', 'dlv_1']],
  );
});

it('connects to the address it checked, under the name that was asked for', async () => {
  await using sink = await openSink();
  const result = await send(`http://name-nobody-knows.invalid:${sink.port}/`);
  assert.equal(result.kind, 'answer');
  assert.equal(sink.received[0]?.headers.host, `name-nobody-knows.invalid:${sink.port}`);
});

it('sends nothing to an address that is not allowed, whatever the name was when it was accepted', async () => {
  await using sink = await openSink();
  const result = await send(`http://rebound.example:${sink.port}/`, { allow: [] });
  assert.deepEqual(result.kind, 'forbidden');
  assert.equal((await send(`${sink.url}/`, { allow: [] })).kind, 'forbidden');
  assert.equal((await send('file:///etc/passwd')).kind, 'forbidden');
  assert.deepEqual(sink.received, []);
});

it('follows no redirect', async () => {
  await using inner = await openSink();
  await using sink = await openSink((_, response) => void response.writeHead(302, { location: inner.url }).end());
  assert.deepEqual(await send(sink.url), { kind: 'answer', status: 302, retryAfter: null });
  assert.deepEqual(inner.received, []);
});

it('waits for a status only so long, also when headers drip', async () => {
  await using sink = await openSink(() => undefined);
  assert.deepEqual(await send(sink.url, { timeoutMs: 100 }), { kind: 'error', message: 'no answer within 100 ms' });
});

it('waits for a name only so long', async () => {
  const guard = createGuard({
    allow: parseAllowlist([]),
    lookup: () => new Promise(() => undefined),
    clock: systemClock,
  });
  const sender = createSender({ guard, timeoutMs: 50 });
  const result = await sender.send(
    { url: 'http://slow.example/', headers: {}, body: '' },
    new AbortController().signal,
  );
  assert.deepEqual(result, { kind: 'error', message: 'no answer within 50 ms' });
});

it('takes the status without waiting for an endless body, and reads little of it', async () => {
  let written = 0;
  let closed = false;
  await using sink = await openSink((_, response) => {
    response.writeHead(200);
    const more = (): void => {
      while (!closed && response.write('x'.repeat(65_536))) written += 65_536;
    };
    response.on('drain', more);
    response.once('close', () => (closed = true));
    more();
  });
  const guard = createGuard({ allow: parseAllowlist(['127.0.0.1']), lookup: async () => LOOPBACK, clock: systemClock });
  const sender = createSender({ guard, timeoutMs: 60_000 });
  const result = await sender.send({ url: sink.url, headers: {}, body: '' }, new AbortController().signal);
  assert.equal(result.kind, 'answer');
  for (const end = performance.now() + 20_000; !closed && performance.now() < end;) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.ok(closed, 'the connection is cut');
  assert.ok(written < 20 * 2 ** 20, `${written} bytes were taken`);
  sender.close();
});

it('says why there was no answer', async () => {
  const server = createTcpServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const hangUp = await send(`http://127.0.0.1:${port}/`);
  assert.ok(hangUp.kind === 'error' && /hang up|ECONNRESET/.test(hangUp.message), JSON.stringify(hangUp));
  await new Promise((resolve) => server.close(resolve));
  const refused = await send(`http://127.0.0.1:${port}/`);
  assert.ok(refused.kind === 'error' && refused.message.includes('ECONNREFUSED'), JSON.stringify(refused));
  const unknown = await send('http://none.example/', {
    addresses: () => {
      throw new Error('ENOTFOUND');
    },
  });
  assert.deepEqual(unknown, { kind: 'error', message: 'ENOTFOUND' });
});

it('keeps TLS’s question for the name: a receiver without a certificate for it is no receiver', async () => {
  await using sink = await openSink();
  const result = await send(`https://127.0.0.1:${sink.port}/`);
  assert.equal(result.kind, 'error');
  assert.deepEqual(sink.received, []);
});

it('uses a connection again, and gets over one that was closed meanwhile', async () => {
  const connections = new Set<number>();
  await using sink = await openSink((_, response) => {
    connections.add(response.socket?.remotePort ?? 0);
    response.writeHead(200).end('ok');
    // Closes as soon as the second answer is out: the third message finds a dead connection.
    if (sink.received.length === 2) response.socket?.destroySoon();
  });
  const guard = createGuard({ allow: parseAllowlist(['127.0.0.1']), lookup: async () => LOOPBACK, clock: systemClock });
  const sender = createSender({ guard, timeoutMs: 10_000 });
  for (let n = 0; n < 4; n++) {
    const result = await sender.send({ url: sink.url, headers: {}, body: '' }, new AbortController().signal);
    assert.equal(result.kind, 'answer', `message ${n}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(connections.size < 4, `${connections.size} connections`);
  sender.close();
});

it('rejects when the server stops: such a try is recorded by nobody', async () => {
  await using sink = await openSink(() => undefined);
  const stopping = new AbortController();
  const result = send(sink.url, { signal: stopping.signal });
  stopping.abort(new Error('the server is stopping'));
  await assert.rejects(result, /the server is stopping/);
});
