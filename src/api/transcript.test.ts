import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, readlinkSync } from 'node:fs';
import { appendFile, rm, symlink, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { test } from 'node:test';
import { sha256 } from '../kernel/hash.ts';
import { makeServer, ROOT_TOKEN, submit, until, work, type Running } from './api.fixture.ts';

/** More than every buffer between a server and a client that does not read. */
const LONG = `${'x'.repeat(2 ** 20 - 1)}\n`.repeat(32);

/** Ends a job of which this transcript is recorded; returns its id and the path of the transcript. */
async function tell(running: Running, text: string): Promise<{ id: string; path: string }> {
  const { id } = await submit(running);
  const attempt = await work(running, id);
  const path = running.home.transcript(id);
  await writeFile(path, text);
  const set = { transcriptSha256: sha256(text) };
  await running.store.noteJob({ id, fence: attempt.job.fence, set, actor: 'test' });
  await attempt.finish();
  return { id, path };
}

/** Whether this process holds the file open. */
function holdsOpen(path: string): boolean {
  return readdirSync('/proc/self/fd').some((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === path;
    } catch {
      return false;
    }
  });
}

test('a transcript is closed once it was sent, an empty one too', async () => {
  await using running = await makeServer();
  // What nobody closed is closed when the garbage is collected, with a warning.
  const warnings: Error[] = [];
  process.on('warning', (warning) => warnings.push(warning));
  for (const text of ['# Job\n', '']) {
    const { id, path } = await tell(running, text);
    const answer = await running.call('GET', `/v1/jobs/${id}/transcript`);
    assert.deepEqual([answer.status, answer.text], [200, text]);
    await until('it is closed', () => !holdsOpen(path));
  }
  assert.deepEqual(warnings, []);
});

test('only what shows that a transcript was changed is counted', async () => {
  await using running = await makeServer();
  const counted: string[] = [];
  running.services.countTranscriptMismatch = ({ id }) => counted.push(id);
  const { id, path } = await tell(running, '# Job\n');
  const ask = async (): Promise<number> => (await running.call('GET', `/v1/jobs/${id}/transcript`)).status;

  await writeFile(path, '# Another\n');
  assert.deepEqual([await ask(), counted.length], [409, 1]);
  await rm(path);
  assert.deepEqual([await ask(), counted.length], [409, 2]);
  await symlink('/etc/hostname', path);
  assert.deepEqual([await ask(), counted.length], [409, 3]);
  // The file behind it may be as it was.
  await rm(dirname(path), { recursive: true });
  await writeFile(dirname(path), 'no directory');
  assert.deepEqual([await ask(), counted.length], [500, 3]);
  assert.deepEqual([...new Set(counted)], [id]);
});

test('a transcript that grows while it is sent ends where it was announced to, and the connection goes on', async () => {
  await using running = await makeServer();
  const { id, path } = await tell(running, LONG);
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
