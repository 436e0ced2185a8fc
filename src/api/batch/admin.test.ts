import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RecoveryReport } from '../../lifecycle/report.ts';
import { asProblem, callRaw, makeServer } from '../api.fixture.ts';

const REPORT: RecoveryReport = {
  bootId: 'boot_2',
  previousBootId: 'boot_1',
  previousStop: 'crash',
  downSeconds: 4,
  recoveryMs: 120,
  phases: [{ name: 'store', ms: 7, ok: true, retries: 0 }],
  jobs: [],
  locks: [
    { key: 'repo:a', decision: 'kept', why: 'alive' },
    { key: 'repo:b', decision: 'removed', why: 'dead' },
  ],
  leases: [],
  deliveries: [],
  removals: [],
  orphans: [],
  corruption: { checked: 100, ok: 94, corrupt: 6, rate: 0.06, files: ['job job_x'], complete: false },
  degraded: ['lock:repo:c'],
  warnings: [],
};

const PATHS = ['startup-log', 'startup-recovery-metrics', 'corruption-metrics', 'metrics'].map(
  (name) => `/api/admin/${name}`,
);

test('the newest start, the ones before it, and what they found are told as JSON', async () => {
  await using running = await makeServer({ report: REPORT });
  const boot = { hostBoot: 'h', host: null, pid: 1, startedAt: 1_700_000_000_000, previousStop: 'unknown' } as const;
  await running.store.recordBoot({ ...boot, id: 'boot_1', previousId: null });
  await running.store.recordBoot({ ...boot, id: 'boot_2', previousId: 'boot_1', previousStop: 'crash' });
  const log = (await running.call('GET', '/api/admin/startup-log')).json<{
    currentStartup: Record<string, unknown>;
    history: Record<string, unknown>[];
  }>();
  assert.deepEqual([log.currentStartup['startupId'], log.currentStartup['totalMs']], ['boot_2', 120]);
  const store = { component: 'store', status: 'success', durationMs: 7, retries: 0 };
  assert.deepEqual([log.currentStartup['operations'], log.currentStartup['degradedMode']], [[store], true]);
  assert.deepEqual(
    log.history.map((one) => [one['startupId'], one['totalMs']]),
    [['boot_1', null]],
  );
  const metrics = (await running.call('GET', '/api/admin/startup-recovery-metrics')).json<Record<string, unknown>>();
  assert.deepEqual([metrics['ready'], metrics['locks'], metrics['downSeconds']], [true, { kept: 1, removed: 1 }, 4]);
  const corruption = { ...REPORT.corruption, alert: true };
  assert.deepEqual(metrics['corruption'], corruption);
  assert.deepEqual((await running.call('GET', '/api/admin/corruption-metrics')).json(), corruption);
});

test('5 % of damaged records is no alert yet, more is', async () => {
  for (const [rate, alert] of [
    [0.05, false],
    [0.0501, true],
  ] as const) {
    await using running = await makeServer({ report: { ...REPORT, corruption: { ...REPORT.corruption, rate } } });
    const answer = await running.call('GET', '/api/admin/corruption-metrics');
    assert.equal(answer.json<{ alert: boolean }>().alert, alert);
  }
});

test('whatever is asked below /api/admin is answered as JSON: unknown paths, strangers, pages, odd methods', async () => {
  await using running = await makeServer({ readiness: { ready: false, phase: 'store', degraded: [] } });
  for (const path of PATHS) {
    const answer = await running.call('GET', path, { headers: { accept: 'text/html' } });
    assert.equal(answer.status, 200, 'also while it recovers');
    assert.equal(answer.headers.get('content-type'), 'application/json; charset=utf-8');
  }
  await using ready = await makeServer();
  const browser = { accept: 'text/html,application/xhtml+xml', 'sec-fetch-mode': 'navigate' };
  for (const path of ['/api/admin', '/api/admin/', '/api/admin/none', '/api/admin/startup-log/x', '/api/admin/%zz']) {
    const headers = path.endsWith('%zz') ? {} : browser;
    const answer = await callRaw(ready, { path, headers });
    assert.match(answer.headers.get('content-type') ?? '', /^application\/problem\+json/);
    assert.equal(typeof answer.json<{ error: string }>().error, 'string', path);
  }
  asProblem(await ready.call('GET', '/api/admin/none'), 404, 'not-found');
  asProblem(await ready.call('DELETE', '/api/admin/startup-log'), 404, 'not-found');
  for (const path of PATHS) asProblem(await ready.call('GET', path, { token: null }), 401, 'unauthorised');
  asProblem(await ready.call('GET', '/api/admin/metrics?x=1'), 400, 'bad-request');
});
