import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import type { RecoveryReport } from '../../lifecycle/report.ts';
import { newReport } from '../../store/conformance/fixtures.ts';
import { asProblem, makeServer } from '../api.fixture.ts';
import type { BootView, DoctorView, PageView, VersionView } from '../contract.ts';

function makeReport(bootId: string): RecoveryReport {
  const corruption = { checked: 1, ok: 1, corrupt: 0, rate: 0, files: [], complete: true };
  return newReport({ bootId, phases: [{ name: 'store', ms: 3, ok: true, retries: 0 }], corruption });
}

test('before recovery has ended only what tells about it answers', async () => {
  const readiness = { ready: false, phase: 'attempts', degraded: ['repository:app'] };
  await using running = await makeServer({ readiness, report: makeReport('boot_now') });
  const document = await running.call('GET', '/v1/jobs');
  assert.match(asProblem(document, 503, 'not-ready').detail, /phase attempts/);
  assert.equal(document.headers.get('retry-after'), '1');
  const body = { repository: 'demo', prompt: 'x' };
  asProblem(await running.call('POST', '/v1/jobs', { body }), 503, 'not-ready');
  for (const path of [
    '/v1/queue',
    '/v1/events',
    '/v1/repositories',
    '/v1/doctor',
    '/v1/jobs/1/stream',
    '/openapi.json',
  ]) {
    asProblem(await running.call('GET', path), 503, 'not-ready');
  }
  asProblem(await running.call('GET', '/v1/jobs', { token: null }), 401, 'unauthorised');
  for (const path of ['/healthz', '/v1/version', '/metrics', '/v1/recovery/boots', '/v1/recovery/boots/latest']) {
    assert.equal((await running.call('GET', path)).status, 200, path);
  }
  const ready = await running.call('GET', '/readyz', { token: null });
  assert.equal(ready.status, 503);
  assert.equal(ready.headers.get('retry-after'), '1');
  assert.match(ready.headers.get('content-type') ?? '', /^application\/problem\+json/);
  const { code, phase, degraded } = ready.json<{ code: string; phase: string; degraded: string[] }>();
  assert.deepEqual({ code, phase, degraded }, { code: 'not-ready', phase: 'attempts', degraded: ['repository:app'] });

  readiness.ready = true;
  const answer = (await running.call('GET', '/readyz', { token: null })).json();
  assert.deepEqual(answer, { ready: true, phase: 'attempts', degraded: ['repository:app'] });
  assert.equal((await running.call('POST', '/v1/jobs', { body })).status, 201);
});

test('health, version, metrics and doctor answer', async () => {
  await using running = await makeServer();
  assert.deepEqual((await running.call('GET', '/healthz', { token: null })).json(), { status: 'ok' });
  const version = (await running.call('GET', '/v1/version')).json<VersionView>();
  assert.equal(version.bootId, running.services.bootId);
  const metrics = await running.call('GET', '/metrics');
  assert.equal(metrics.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
  assert.equal(metrics.text, 'holdfast_up 1\n');
  assert.equal((await running.call('GET', '/v1/doctor?deep=true')).json<DoctorView>().ok, true);
  asProblem(await running.call('GET', '/v1/doctor?deep=maybe'), 400, 'bad-request');
  asProblem(await running.call('GET', '/v1/nothing'), 404, 'not-found');
  asProblem(await running.call('PUT', '/v1/jobs'), 404, 'not-found');
});

test('the last starts are listed with their reports; this one is shown while it grows', async () => {
  const report = makeReport('boot_2');
  await using running = await makeServer({ report });
  const { store } = running;
  const boot = { hostBoot: 'host', host: null, pid: 1, previousStop: 'crash' as const };
  await store.recordBoot({ ...boot, id: 'boot_1', previousId: null, startedAt: 1000 });
  await store.updateBoot('boot_1', { report: makeReport('boot_1'), readyAt: 2000 });
  await store.recordBoot({ ...boot, id: 'boot_2', previousId: 'boot_1', startedAt: 3000 });
  const { items } = (await running.call('GET', '/v1/recovery/boots')).json<PageView<BootView>>();
  assert.deepEqual(
    items.map(({ bootId }) => bootId),
    ['boot_2', 'boot_1'],
  );
  assert.equal(items[0]?.report?.bootId, 'boot_2');
  assert.equal(items[1]?.readyAt, '1970-01-01T00:00:02.000Z');
  assert.deepEqual((await running.call('GET', '/v1/recovery/boots/latest')).json(), report);
  assert.deepEqual((await running.call('GET', '/v1/recovery/boots/boot_1')).json(), makeReport('boot_1'));
  asProblem(await running.call('GET', '/v1/recovery/boots/boot_0'), 404, 'not-found');
});

/** Sends bytes as they are and returns all that comes back. */
function sendBytes(port: number, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' }, () => socket.write(bytes));
    let text = '';
    socket.on('data', (chunk) => (text += chunk.toString()));
    socket.on('end', () => resolve(text));
    socket.on('error', reject);
  });
}

test('bytes that are no request, and addresses that are none, are answered with a problem', async () => {
  await using running = await makeServer();
  const nonsense = await sendBytes(running.port, 'HELLO WORLD\r\n\r\n');
  assert.match(nonsense, /^HTTP\/1\.1 400 .*application\/problem\+json.*"code":"bad-request"/s);
  const long = await sendBytes(running.port, `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(40_000)}\r\n\r\n`);
  assert.match(long, /^HTTP\/1\.1 431 /);
  asProblem(await running.call('GET', '/v1/jobs/%zz'), 400, 'bad-request');
});

test('a server that stops ends its streams and lets go of its port', async () => {
  await using running = await makeServer();
  const response = await fetch(`${running.url}/v1/events`, {
    headers: { authorization: 'Bearer root-token-of-the-home' },
  });
  const text = response.text();
  await running.close();
  assert.match(await text, /event: boot/);
  await assert.rejects(fetch(`${running.url}/healthz`));
});
