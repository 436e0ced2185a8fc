import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { link, mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { asProblem, makeServer, ROOT_TOKEN, submit, work, type Running } from '../api.fixture.ts';

interface Bytes {
  status: number;
  headers: Headers;
  bytes: Buffer;
}

async function read(running: Running, path: string, headers: Record<string, string> = {}): Promise<Bytes> {
  const response = await fetch(`${running.url}${path}`, {
    headers: { authorization: `Bearer ${ROOT_TOKEN}`, ...headers },
  });
  return { status: response.status, headers: response.headers, bytes: Buffer.from(await response.arrayBuffer()) };
}

test('output is sent byte for byte, whole or one range of it', async () => {
  await using running = await makeServer();
  const { id } = await submit(running);
  const attempt = await work(running, id);
  const data = Buffer.concat([randomBytes(200_000), Buffer.from('grüße\0\x1b[31m\r\n')]);
  await attempt.print(data);
  const path = `/v1/jobs/${id}/output`;
  const size = data.length;

  const whole = await read(running, path);
  assert.equal(whole.status, 200);
  assert.ok(whole.bytes.equals(data));
  assert.equal(whole.headers.get('content-type'), 'text/plain; charset=utf-8');
  assert.equal(whole.headers.get('x-content-type-options'), 'nosniff');
  assert.equal(whole.headers.get('accept-ranges'), 'bytes');
  assert.equal(whole.headers.get('content-length'), String(size));
  assert.equal(whole.headers.get('holdfast-attempt'), '1');

  const table: [range: string, start: number, end: number][] = [
    ['bytes=0-0', 0, 0],
    ['bytes=0-', 0, size - 1],
    ['bytes=100-70000', 100, 70_000],
    [`bytes=${size - 1}-`, size - 1, size - 1],
    ['bytes=-1', size - 1, size - 1],
    ['bytes=-66000', size - 66_000, size - 1],
    [`bytes=-${size + 5}`, 0, size - 1],
    [`bytes=5-${size + 5}`, 5, size - 1],
  ];
  for (const [range, start, end] of table) {
    const part = await read(running, path, { range });
    assert.equal(part.status, 206, range);
    assert.equal(part.headers.get('content-range'), `bytes ${start}-${end}/${size}`);
    assert.ok(part.bytes.equals(data.subarray(start, end + 1)), range);
  }
  for (const range of ['bytes=1-2,4-5', 'bytes=9-3', 'items=0-1', 'bytes=-']) {
    const all = await read(running, path, { range });
    assert.equal(all.status, 200, range);
    assert.ok(all.bytes.equals(data));
  }
  const conditional = await read(running, path, { range: 'bytes=0-1', 'if-range': '"x"' });
  assert.equal(conditional.status, 200);
  for (const range of [`bytes=${size}-`, `bytes=${size + 1}-${size + 2}`, 'bytes=-0']) {
    const answer = await running.call('GET', path, { headers: { range } });
    asProblem(answer, 416, 'bad-range');
    assert.equal(answer.headers.get('content-range'), `bytes */${size}`);
  }
});

test('without output there is nothing to read, and that is no error', async () => {
  await using running = await makeServer();
  const { id } = await submit(running);
  const path = `/v1/jobs/${id}/output`;
  for (const prepare of [() => null, () => work(running, id)]) {
    await prepare();
    const empty = await read(running, path);
    assert.deepEqual([empty.status, empty.bytes.length, empty.headers.get('content-length')], [200, 0, '0']);
    const range = await running.call('GET', path, { headers: { range: 'bytes=0-' } });
    asProblem(range, 416, 'bad-range');
    assert.equal(range.headers.get('content-range'), 'bytes */0');
  }
  asProblem(await running.call('GET', `${path}?attempt=2`), 404, 'not-found');
  asProblem(await running.call('GET', `${path}?attempt=0`), 400, 'bad-request');
  asProblem(await running.call('GET', `${path}?stream=both`), 400, 'bad-request');
  asProblem(await running.call('GET', `${path}?tail=1`), 400, 'bad-request');
});

test('the newest attempt with output is meant unless one is named; streams are apart', async () => {
  await using running = await makeServer();
  const { id } = await submit(running);
  const first = await work(running, id);
  await first.print('first');
  await first.print('oops', 'stderr');
  await first.interrupt();
  const second = await work(running, id);
  const path = `/v1/jobs/${id}/output`;
  assert.equal((await read(running, path)).bytes.toString(), 'first');
  await second.print('second');
  assert.equal((await read(running, path)).bytes.toString(), 'second');
  assert.equal((await read(running, path)).headers.get('holdfast-attempt'), '2');
  assert.equal((await read(running, `${path}?attempt=1`)).bytes.toString(), 'first');
  assert.equal((await read(running, `${path}?stream=stderr`)).bytes.toString(), 'oops');
  assert.equal((await read(running, `${path}?stream=stderr&attempt=2`)).bytes.length, 0);
});

test('S27: a link, a pipe, a second name or a swapped directory is never followed', async () => {
  await using running = await makeServer();
  const { id } = await submit(running);
  const attempt = await work(running, id);
  await attempt.print('mine');
  const path = `/v1/jobs/${id}/output`;
  const file = attempt.outputFile;
  const secret = join(running.home.root, 'token');
  await writeFile(secret, 'SECRET');
  const refuse = async (what: string): Promise<void> => {
    const answer = await running.call('GET', path);
    assert.ok(!answer.text.includes('SECRET'), what);
    asProblem(answer, 409, 'record-corrupt');
    const stream = await fetch(`${running.url}/v1/jobs/${id}/stream`, {
      headers: { authorization: `Bearer ${ROOT_TOKEN}` },
    });
    assert.ok(!(await stream.text().catch(() => '')).includes(Buffer.from('SECRET').toString('base64')), what);
  };
  await rm(file);
  await symlink(secret, file);
  await refuse('symbolic link');
  await rm(file);
  const foreign = join(running.home.jobs, 'another-job');
  await writeFile(foreign, 'SECRET');
  await symlink(foreign, file);
  await refuse("symbolic link to another job's output");
  await rm(file);
  await link(secret, file);
  await refuse('hard link');
  await rm(file);
  execFileSync('mkfifo', [file]);
  await refuse('pipe');
  await rm(file);
  await mkdir(file);
  await refuse('directory');
  const outside = join(running.home.jobs, 'elsewhere');
  await mkdir(outside);
  await writeFile(join(outside, 'output'), 'SECRET');
  await rename(dirname(file), `${dirname(file)}.away`);
  await symlink(outside, dirname(file));
  await refuse('swapped directory');
});
