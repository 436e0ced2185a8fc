import assert from 'node:assert/strict';
import { once } from 'node:events';
import { appendFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { test } from 'node:test';
import { sha256 } from '../kernel/hash.ts';
import { makeServer, ROOT_TOKEN, submit, until, work } from './api.fixture.ts';

/** More than every buffer between a server and a client that does not read. */
const LONG = `${'x'.repeat(2 ** 20 - 1)}\n`.repeat(32);

test('a transcript that grows while it is sent ends where it was announced to, and the connection goes on', async () => {
  await using running = await makeServer();
  const { id } = await submit(running);
  const attempt = await work(running, id);
  const path = running.home.transcript(id);
  await writeFile(path, LONG);
  const set = { transcriptSha256: sha256(LONG) };
  await running.store.noteJob({ id, fence: attempt.job.fence, set, actor: 'test' });
  await attempt.finish();

  const socket = connect(running.port, '127.0.0.1');
  const ask = (what: string): boolean =>
    socket.write(`GET ${what} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${ROOT_TOKEN}\r\n\r\n`);
  ask(`/v1/jobs/${id}/transcript`);
  await once(socket, 'readable');
  await appendFile(path, 'HTTP/1.1 200 forged\r\n\r\n');
  const head = 'content-length: 33554432';
  let received = Buffer.alloc(0);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  await until('all of it is there', () => {
    received = Buffer.concat(chunks);
    return received.length > LONG.length + head.length && received.at(-1) === 10;
  });
  const begin = received.indexOf('\r\n\r\n') + 4;
  assert.match(received.subarray(0, begin).toString(), new RegExp(head, 'i'));
  assert.ok(received.subarray(begin).equals(Buffer.from(LONG)), `${received.length - begin} bytes`);
  ask('/healthz');
  await until('the next one is answered', () => chunks.at(-1)?.toString().endsWith('"status":"ok"}'));
  socket.destroy();
  const next = Buffer.concat(chunks)
    .subarray(begin + LONG.length)
    .toString();
  assert.match(next, /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\n\{"status":"ok"\}$/);
});
