import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { sha256 } from '../../kernel/hash.ts';
import { asProblem, callRaw, makeServer, MAX_FILE_BYTES, ROOT_TOKEN, submit, until } from '../api.fixture.ts';
import type { JobFileView, PageView } from '../contract.ts';

test('a file is sent, replaced, listed and taken back while its job is held', async () => {
  await using running = await makeServer();
  const job = await submit(running, { start: false });
  const path = `/v1/jobs/${job.number}/files/${encodeURIComponent('notes März.txt')}`;
  const first = await running.call('PUT', path, { raw: { body: 'one', type: 'application/json' } });
  assert.equal(first.status, 201, first.text);
  const { uploadedAt: _at, ...rest } = first.json<JobFileView>();
  assert.deepEqual(rest, { name: 'notes März.txt', size: 3, sha256: sha256('one'), overwrite: false });
  const again = await running.call('PUT', path, { raw: { body: 'one', type: 'text/plain' } });
  assert.deepEqual([again.status, again.json()], [200, first.json()], 'the same content changes nothing');
  const other = await running.call('PUT', `${path}?overwrite=true`, { raw: { body: '', type: 'x/y' } });
  assert.deepEqual([other.status, other.json<JobFileView>().size], [200, 0], other.text);
  const list = (await running.call('GET', `/v1/jobs/${job.id}/files`)).json<PageView<JobFileView>>();
  assert.deepEqual(list, { items: [other.json()], nextCursor: null });
  assert.equal((await running.call('DELETE', path)).status, 204);
  asProblem(await running.call('DELETE', path), 404, 'not-found');
  await running.call('PUT', path, { raw: { body: 'one', type: 'text/plain' } });
  await running.call('POST', `/v1/jobs/${job.id}/start`);
  asProblem(await running.call('PUT', path, { raw: { body: 'late', type: 'text/plain' } }), 409, 'state-conflict');
  asProblem(await running.call('DELETE', path), 409, 'state-conflict');
  assert.equal((await running.store.listJobFiles(job.id))[0]?.sha256, sha256('one'));
});

test('names that lead elsewhere are refused', async () => {
  await using running = await makeServer();
  const job = await submit(running, { start: false });
  const names = [
    '..%2f..%2fx',
    '%2fetc%2fpasswd',
    'a%00b',
    'CON',
    'x'.repeat(300),
    '%E2%80%AEgpj',
    '-rf',
    '.git',
    '%2e%2e%5cx',
  ];
  for (const name of names) {
    const answer = await callRaw(running, {
      method: 'PUT',
      path: `/v1/jobs/${job.id}/files/${name}`,
      raw: { body: 'x', type: 'text/plain' },
    });
    asProblem(answer, 400, 'bad-file-name');
  }
  assert.deepEqual(await running.store.listJobFiles(job.id), []);
});

test('a file beyond the limit is refused by its length, or cut off where it passes it', async () => {
  await using running = await makeServer();
  const job = await submit(running, { start: false });
  const path = `/v1/jobs/${job.id}/files/big`;
  const body = new Uint8Array(MAX_FILE_BYTES + 1);
  asProblem(await running.call('PUT', path, { raw: { body, type: 'x/y' } }), 413, 'payload-too-large');
  // A stream without a length that never ends: the answer comes, then the connection is cut.
  const socket = connect(running.port, '127.0.0.1');
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
  socket.on('error', () => undefined);
  socket.write(
    `PUT ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${ROOT_TOKEN}\r\nTransfer-Encoding: chunked\r\n\r\n`,
  );
  const piece = Buffer.concat([Buffer.from('10000\r\n'), Buffer.alloc(0x10000), Buffer.from('\r\n')]);
  const closed = new Promise((resolve) => socket.once('close', resolve));
  while (!socket.destroyed) {
    if (!socket.write(piece)) await Promise.race([new Promise((resolve) => socket.once('drain', resolve)), closed]);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await closed;
  assert.match(text, /^HTTP\/1\.1 413 [^]*payload-too-large/);
  assert.deepEqual(await running.store.listJobFiles(job.id), []);
});

test('all files of a job together have a limit, too', async () => {
  await using running = await makeServer();
  const job = await submit(running, { start: false });
  const body = new Uint8Array(MAX_FILE_BYTES);
  const put = (name: string): ReturnType<typeof running.call> =>
    running.call('PUT', `/v1/jobs/${job.id}/files/${name}`, { raw: { body, type: 'x/y' } });
  for (const name of ['a', 'b', 'c', 'a']) assert.ok((await put(name)).status < 300);
  asProblem(await put('d'), 413, 'payload-too-large');
});

test('an upload that was refused early, and arrived all the same, leaves its connection to the next request', async () => {
  await using running = await makeServer();
  const job = await submit(running, { start: false });
  const body = Buffer.alloc(MAX_FILE_BYTES + 1);
  const socket = connect(running.port, '127.0.0.1').setEncoding('latin1');
  let text = '';
  socket.on('data', (chunk: string) => (text += chunk));
  const head = `Host: 127.0.0.1\r\nAuthorization: Bearer ${ROOT_TOKEN}\r\n`;
  socket.write(`PUT /v1/jobs/${job.id}/files/big HTTP/1.1\r\n${head}Content-Length: ${body.length}\r\n\r\n`);
  await until('it is refused', () => text.includes('payload-too-large'));
  socket.write(body);
  // Longer than a client is given to read why.
  await sleep(2500);
  socket.write(`GET /healthz HTTP/1.1\r\n${head}\r\n`);
  await until('the next one is answered', () => text.endsWith('"status":"ok"}') || socket.destroyed);
  assert.ok(!socket.destroyed, text);
  socket.destroy();
});
