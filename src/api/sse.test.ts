import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { systemClock } from '../kernel/clock.ts';
import { makeServer, openStream, ROOT_TOKEN, submit, until, work } from './api.fixture.ts';
import type { OutputFrame } from './contract.ts';

test('a client that does not read costs nothing but its place, and loses nothing', async () => {
  await using running = await makeServer();
  const { id } = await submit(running);
  const attempt = await work(running, id);
  const data = randomBytes(32 * 2 ** 20);
  await attempt.print(data);
  await attempt.finish();
  const served = new Promise<Socket>((resolve) => running.app.server.once('connection', resolve));
  const client = connect({ port: running.port, host: '127.0.0.1' });
  client.pause();
  client.write(
    `GET /v1/jobs/${id}/stream HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${ROOT_TOKEN}\r\nConnection: close\r\n\r\n`,
  );
  const socket = await served;
  // The kernel takes what its buffers hold; then nothing moves any more, and nothing piles up on our side.
  let before = -1;
  await until('the connection to stand still', async () => {
    await new Promise((resolve) => setTimeout(resolve, 200));
    const isStill = socket.bytesWritten === before && before > 0;
    before = socket.bytesWritten;
    return isStill;
  });
  assert.ok(socket.bytesWritten < data.length / 2, `${socket.bytesWritten} bytes were written`);
  assert.ok(socket.writableLength < 2 ** 20, `${socket.writableLength} bytes wait in memory`);
  assert.equal((await running.call('GET', '/v1/jobs')).status, 200);

  let text = '';
  client.on('data', (chunk) => (text += chunk.toString('latin1')));
  client.resume();
  await new Promise((resolve) => client.once('end', resolve));
  client.destroy();
  const pieces = [...unchunk(text).matchAll(/^event: output\ndata: (.*)$/gm)].map(([, json]) => {
    const frame = JSON.parse(json ?? '') as OutputFrame;
    return Buffer.from(frame.data, 'base64');
  });
  assert.ok(Buffer.concat(pieces).equals(data));
});

/** The body of an HTTP answer in chunks. */
function unchunk(text: string): string {
  const body = text.slice(text.indexOf('\r\n\r\n') + 4);
  const parts: string[] = [];
  for (let at = 0; at < body.length;) {
    const line = body.indexOf('\r\n', at);
    const size = Number.parseInt(body.slice(at, line), 16);
    parts.push(body.slice(line + 2, line + 2 + size));
    at = line + 2 + size + 2;
  }
  return parts.join('');
}

test('a silent stream pings, and a client that went away leaves nothing behind', async () => {
  let skew = 0;
  const clock = { now: () => systemClock.now(), monotonic: () => systemClock.monotonic() + skew };
  await using running = await makeServer({ clock });
  const { store } = running;
  const onCommit = store.onCommit.bind(store);
  let listening = 0;
  store.onCommit = (listener) => {
    const stop = onCommit(listener);
    listening++;
    return () => {
      listening--;
      stop();
    };
  };
  const { id } = await submit(running, { start: false });
  for (const path of [`/v1/jobs/${id}/stream`, '/v1/events']) {
    const reading = await openStream(running, path);
    for await (const message of reading.frames) {
      if (message.event === 'comment') {
        assert.equal(message.data.trim(), 'ping');
        break;
      }
      skew += 15_000;
    }
    reading.close();
  }
  await until('both streams to be let go', () => listening === 0);
  assert.deepEqual(running.services.streamStats.open, { events: 0, job: 0 });
  const readings = await Promise.all(Array.from({ length: 20 }, () => openStream(running, `/v1/jobs/${id}/stream`)));
  for (const reading of readings) await reading.frames.next();
  assert.equal(listening, 1, 'each stream listens to the store by itself');
  for (const reading of readings) reading.close();
  await until('all streams to be let go', () => listening === 0);
});
