import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import {
  asProblem,
  callRaw,
  makeServer,
  makeWorld,
  openStream,
  ROOT_TOKEN,
  submit,
  addDemo,
  until,
  work,
  type Reading,
  type Running,
} from './api.fixture.ts';
import type { BootFrame, ByeFrame, EventView } from './contract.ts';

/** Asks for a stream and never reads a byte of it. */
function openUnread({ port }: Running, path: string): Socket {
  const client = connect({ port, host: '127.0.0.1' });
  client.pause();
  client.on('error', () => undefined);
  client.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${ROOT_TOKEN}\r\n\r\n`);
  return client;
}

/** A client that is a process of its own, reads what comes, and says so once it has seen the first byte. */
async function openInProcess({ url }: Running, path: string): Promise<{ pid: number; kill: () => void }> {
  const program = `
    const answer = await fetch(${JSON.stringify(`${url}${path}`)}, { headers: { authorization: 'Bearer ${ROOT_TOKEN}' } });
    let said = false;
    for await (const bytes of answer.body) if (!said && (said = true)) console.log(bytes.length);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  return { pid: child.pid ?? 0, kill: () => child.kill('SIGKILL') };
}

async function openAll(running: Running, count: number, token?: string): Promise<Reading[]> {
  const options = token === undefined ? {} : { token };
  return Promise.all(Array.from({ length: count }, () => openStream(running, '/v1/events', options)));
}

test('M11: a client that takes nothing of what waits for it is closed, one nothing happens for is not', async () => {
  await using running = await makeServer({ streams: { silentMs: 300 } });
  const { streamStats } = running.services;
  const quiet = await openStream(running, '/v1/events');
  await quiet.frames.next();
  const { id } = await submit(running);
  const attempt = await work(running, id);
  await attempt.print(randomBytes(32 * 2 ** 20));
  const client = openUnread(running, `/v1/jobs/${id}/stream`);
  await until('it to be opened', () => streamStats.open.job === 1);
  await until('it to be closed', () => streamStats.open.job === 0);
  assert.equal(streamStats.closedSilent, 1);
  client.destroy();

  const reading = await openStream(running, `/v1/jobs/${id}/stream`);
  await attempt.finish();
  let bytes = 0;
  for await (const { event, data } of reading.frames) {
    if (event === 'output') bytes += Buffer.from((JSON.parse(data) as { data: string }).data, 'base64').length;
  }
  assert.equal(bytes, 32 * 2 ** 20, 'a client that reads gets all of it');
  assert.equal(streamStats.open.events, 1, 'the quiet one is still there');
  quiet.close();
  await until('the quiet one to go', () => streamStats.open.events === 0);
  assert.equal(streamStats.closedSilent, 1);
});

test('M11: a client that was stopped ends, whether much happens for it or nothing does', async () => {
  await using running = await makeServer({ streams: { silentMs: 300 } });
  const { streamStats } = running.services;
  const { id } = await submit(running);
  const attempt = await work(running, id);
  const stopped = await openInProcess(running, `/v1/jobs/${id}/stream`);
  try {
    process.kill(stopped.pid, 'SIGSTOP');
    await attempt.print(randomBytes(32 * 2 ** 20));
    await until('the stream to be closed', () => streamStats.open.job === 0);
    assert.equal(streamStats.closedSilent, 1);
  } finally {
    stopped.kill();
  }
});

test('M11: a stream has its time; then its client is told, and comes back to where it was', async () => {
  await using running = await makeServer({ streams: { renewMs: 400 } });
  const { streamStats } = running.services;
  const { id } = await submit(running, { start: false });
  const unread = openUnread(running, '/v1/events');
  for (const path of ['/v1/events?after=0', `/v1/jobs/${id}/stream`]) {
    const reading = await openStream(running, path);
    const frames = [];
    for await (const frame of reading.frames) frames.push(frame);
    const last = frames.at(-1);
    assert.deepEqual([last?.event, JSON.parse(last?.data ?? '')], ['bye', { reason: 'renew' } satisfies ByeFrame]);
    assert.equal(last?.id, frames.at(-2)?.id);
    const resumed = await openStream(running, path, { lastEventId: last?.id ?? '' });
    for await (const frame of resumed.frames) frames.push(frame);
    const seqs = frames.filter(({ event }) => event === 'event' || event === 'state').map((frame) => seqOf(frame));
    assert.deepEqual(seqs, path.startsWith('/v1/events') ? [1, 2] : [2]);
  }
  await until('the one that never read to be let go', () => streamStats.open.events === 0);
  await until('its connection to be gone', () => unread.destroyed || countConnections(running).then((n) => n === 0));
  unread.destroy();
});

function seqOf({ data }: { data: string }): number {
  return (JSON.parse(data) as { seq: number }).seq;
}

async function countConnections({ app }: Running): Promise<number> {
  return new Promise((resolve, reject) => {
    app.server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)));
  });
}

test('a server that stops says so in every stream, and clients go on at the next one from there', async () => {
  await using world = await makeWorld();
  const first = await world.start();
  await addDemo(first.store);
  const { id } = await submit(first, { start: false });
  const ids: string[] = [];
  const readings = [await openStream(first, '/v1/events?after=0'), await openStream(first, `/v1/jobs/${id}/stream`)];
  const reading = Promise.all(
    readings.map(async ({ frames }) => {
      let last = '';
      for await (const frame of frames) last = `${frame.event} ${frame.data}`;
      return last;
    }),
  );
  await until('both to be open', () => first.services.streamStats.open.job === 1);
  await first.close();
  for (const last of await reading) assert.equal(last, 'bye {"reason":"stopping"}');

  const second = await world.start();
  const again = await openStream(second, '/v1/events?after=0');
  const boot = JSON.parse((await again.frames.next()).value?.data ?? '') as BootFrame;
  assert.equal(boot.bootId, second.services.bootId);
  for (let n = 0; n < 2; n++) ids.push(((await again.frames.next()).value ?? { id: '' }).id ?? '');
  assert.deepEqual(ids, ['1', '2']);
  again.close();
});

test('one caller cannot take all places, and says 429; all places taken says 503; both say when to ask again', async () => {
  await using running = await makeServer({ streams: { total: 5, perPrincipal: 3 } });
  const { streamStats } = running.services;
  const made = await running.call('POST', '/v1/tokens', { body: { name: 'other' } });
  const { token } = made.json<{ token: string }>();
  const mine = await openAll(running, 3);
  const one = await running.call('GET', '/v1/events');
  asProblem(one, 429, 'too-many-streams');
  assert.ok(Number(one.headers.get('retry-after')) > 0);
  const others = await openAll(running, 2, token);
  const full = await running.call('GET', '/v1/events', { token });
  asProblem(full, 503, 'streams-full');
  assert.ok(Number(full.headers.get('retry-after')) > 0);
  assert.deepEqual(streamStats.refused, { total: 1, principal: 1 });
  // Lists are no streams.
  const list = await running.call('GET', '/v1/events', { headers: { accept: 'application/json' } });
  assert.equal(list.status, 200);
  for (const reading of [...mine, ...others]) reading.close();
  await until('room', () => streamStats.open.events === 0);
  for (const reading of await openAll(running, 3)) {
    assert.equal(reading.response.status, 200);
    reading.close();
  }
});

test('an agent with the token of its job gets a few streams, and no more', async () => {
  await using running = await makeServer();
  const { id } = await submit(running, { start: false });
  const token = `job-token:${id}`;
  const path = `/v1/jobs/${id}/stream`;
  const readings: Reading[] = [];
  for (let n = 0; n < 16; n++) readings.push(await openStream(running, path, { token }));
  asProblem(await running.call('GET', path, { token }), 429, 'too-many-streams');
  assert.ok(readings.every(({ response }) => response.status === 200));
  for (const reading of readings) reading.close();
});

test('the kernel asks whether the other end of a silent connection is there', async () => {
  await using running = await makeServer();
  const reading = await openStream(running, '/v1/events');
  await reading.frames.next();
  // Column `tr` of an open connection of the server's port: 02 is the keepalive timer.
  const port = running.port.toString(16).toUpperCase().padStart(4, '0');
  const own = (await readFile('/proc/net/tcp', 'utf8'))
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local, , state]) => local?.endsWith(`:${port}`) && state === '01');
  assert.ok(own.length > 0);
  await until('a keepalive timer', async () => {
    const now = await readFile('/proc/net/tcp', 'utf8');
    return new RegExp(`:${port} \\S+ 01 \\S+ 02:`).test(now);
  });
  reading.close();
});

test('a live event is the whole of what the list says of it', async () => {
  await using running = await makeServer();
  const reading = await openStream(running, '/v1/events');
  await reading.frames.next();
  await submit(running, { prompt: 'zwölf "Zeichen"\n' });
  const frame = (await reading.frames.next()).value;
  reading.close();
  const list = await callRaw(running, { path: '/v1/events?limit=200', headers: { accept: 'application/json' } });
  const listed = list.json<{ items: EventView[] }>().items.find(({ seq }) => String(seq) === frame?.id);
  assert.deepEqual(JSON.parse(frame?.data ?? ''), listed);
});
