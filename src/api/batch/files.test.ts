import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { sha256 } from '../../kernel/hash.ts';
import {
  asProblem,
  callRaw,
  makeServer,
  MAX_FILE_BYTES,
  ROOT_TOKEN,
  submit,
  until,
  type Running,
} from '../api.fixture.ts';
import type { UploadedView } from './contract.ts';

const TYPE = 'multipart/form-data; boundary=XX';

/** A body with these parts, as a client builds it. */
function multipart(...parts: { name?: string; body: string | Uint8Array }[]): Uint8Array {
  const pieces = parts.map(({ name, body }) =>
    Buffer.concat([
      Buffer.from(
        `--XX\r\nContent-Disposition: form-data; name="f"${name === undefined ? '' : `; filename="${name}"`}\r\n\r\n`,
      ),
      Buffer.from(body as string),
      Buffer.from('\r\n'),
    ]),
  );
  return new Uint8Array(Buffer.concat([...pieces, Buffer.from('--XX--\r\n')]));
}

async function listNames(running: Running, id: string): Promise<string[]> {
  return (await running.store.listJobFiles(id)).map(({ name }) => name).toSorted();
}

test('files are sent as a form does, several at once, byte for byte', async () => {
  await using running = await makeServer();
  const job = await submit(running, { start: false });
  const odd = new Uint8Array([0, 255, 13, 10, 45, 45, 88, 10]);
  const raw = {
    type: TYPE,
    body: multipart({ name: 'a.bin', body: odd }, { body: 'a field' }, { name: 'März.txt', body: '' }),
  };
  const answer = await running.call('POST', `/jobs/${job.number}/files`, { raw });
  assert.equal(answer.status, 201, answer.text);
  assert.deepEqual(answer.json<UploadedView>(), {
    jobId: job.id,
    files: [
      { filename: 'a.bin', fileSize: odd.length, sha256: sha256(odd) },
      { filename: 'März.txt', fileSize: 0, sha256: sha256('') },
    ],
  });
  assert.deepEqual(await listNames(running, job.id), ['März.txt', 'a.bin']);
  // The same through the client of Node, whose form is not ours.
  const form = new FormData();
  form.append('file', new Blob(['hello']), 'form.txt');
  const headers = { authorization: `Bearer ${ROOT_TOKEN}` };
  const sent = await fetch(`${running.url}/jobs/${job.id}/files`, { method: 'POST', headers, body: form });
  assert.equal(((await sent.json()) as UploadedView).files[0]?.sha256, sha256('hello'));
  await running.call('POST', `/jobs/${job.id}/start`);
  asProblem(await running.call('POST', `/jobs/${job.id}/files`, { raw }), 409, 'state-conflict');
});

test('a form is taken here and nowhere else, and here nothing but a form', async () => {
  await using running = await makeServer();
  const job = await submit(running, { start: false });
  const path = `/jobs/${job.id}/files`;
  const raw = { type: TYPE, body: multipart({ name: 'a', body: 'x' }) };
  for (const other of ['/jobs', `/jobs/${job.id}/start`, '/repositories/register', '/auth/login', '/v1/jobs']) {
    asProblem(await running.call('POST', other, { raw }), 415, 'unsupported-media-type');
  }
  asProblem(await running.call('POST', path, { body: { file: 'x' } }), 415, 'unsupported-media-type');
  asProblem(await running.call('POST', path), 415, 'unsupported-media-type');
  for (const headers of [{ origin: 'https://evil.test' }, { 'sec-fetch-site': 'cross-site' }, { host: 'evil.test' }]) {
    asProblem(await callRaw(running, { method: 'POST', path, raw, headers }), 403, 'forbidden');
  }
  asProblem(await running.call('POST', path, { raw, token: null }), 401, 'unauthorised');
  assert.deepEqual(await listNames(running, job.id), []);
});

test('a name that leads elsewhere is refused, never shortened', async () => {
  await using running = await makeServer();
  const job = await submit(running, { start: false });
  for (const name of ['../../x', '/etc/passwd', 'dir/x', '..', '.git', 'x'.repeat(300), 'CON']) {
    const raw = { type: TYPE, body: multipart({ name, body: 'x' }) };
    asProblem(await running.call('POST', `/jobs/${job.id}/files`, { raw }), 400, 'bad-file-name');
  }
  assert.deepEqual(await listNames(running, job.id), []);
});

test('a body that is not whole, too large or no form leaves no file of it, and the server goes on', async () => {
  await using running = await makeServer();
  const job = await submit(running, { start: false });
  const path = `/jobs/${job.id}/files`;
  const whole = multipart({ name: 'a', body: 'x'.repeat(1000) });
  const send = (body: Uint8Array, type = TYPE): ReturnType<Running['call']> =>
    running.call('POST', path, { raw: { body, type } });
  for (const cut of [3, 40, 100, whole.length - 12, whole.length - 5]) {
    asProblem(await send(whole.subarray(0, cut)), 400, 'bad-request');
  }
  asProblem(await send(new Uint8Array()), 400, 'bad-request');
  asProblem(await send(multipart()), 400, 'bad-request');
  asProblem(await send(multipart({ body: 'only a field' })), 400, 'bad-request');
  asProblem(await send(whole, 'multipart/form-data; x=y'), 400, 'bad-request');
  const large = multipart({ name: 'big', body: new Uint8Array(MAX_FILE_BYTES + 1) }, { name: 'b', body: 'x' });
  asProblem(await send(large), 413, 'payload-too-large');
  assert.deepEqual(await listNames(running, job.id), []);
  const many = Array.from({ length: 101 }, (_unused, i) => ({ name: `f${i}`, body: 'x' }));
  asProblem(await send(multipart(...many)), 413, 'payload-too-large');
  assert.equal((await running.call('GET', `/jobs/${job.id}`)).status, 200);
});

test('a client that goes away in the middle leaves nothing of the file it was sending', async () => {
  await using running = await makeServer();
  const job = await submit(running, { start: false });
  const socket = connect(running.port, '127.0.0.1');
  socket.on('error', () => undefined);
  const head = `POST /jobs/${job.id}/files HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${ROOT_TOKEN}\r\nContent-Type: ${TYPE}\r\nContent-Length: 9999\r\n\r\n`;
  const body = multipart({ name: 'first', body: 'whole' }, { name: 'second', body: 'y'.repeat(500) });
  socket.write(Buffer.concat([Buffer.from(head), body.subarray(0, body.length - 100)]));
  await until('the first file has arrived', async () => (await listNames(running, job.id)).includes('first'));
  socket.destroy();
  const again = { type: TYPE, body: multipart({ name: 'third', body: 'z' }) };
  assert.equal((await running.call('POST', `/jobs/${job.id}/files`, { raw: again })).status, 201);
  assert.deepEqual(await listNames(running, job.id), ['first', 'third']);
});
