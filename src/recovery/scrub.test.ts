/** The alert about widespread damage: told once per start in the log, the report and to the operator's urls. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../kernel/clock.ts';
import type { RecoveryReport } from '../lifecycle/report.ts';
import { openSqliteStore } from '../store/sqlite/sqlite-store.ts';
import { emptyReport } from './boot.ts';
import { createScrub, type ScrubKind } from './scrub.ts';

const URLS = ['https://a.example/hook', 'https://b.example/hook'];

/** A check that looks at a hundred records and finds so many of them damaged. */
function finding(damaged: number): ScrubKind {
  return {
    name: 'runs',
    run: (take) => {
      const one = (n: number) => ({ kind: 'exit', item: `exit-${n}`, path: `/h/${n}`, why: 'torn', jobId: null });
      return take({ checked: { exit: 100 }, found: Array.from({ length: damaged }, (_, n) => one(n)) });
    },
  };
}

/** Runs a check of history to its end; returns its report, what it logged as fatal, and what it told whom. */
async function scrubWith(damaged: number) {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-scrub-'));
  const store = openSqliteStore({ path: join(directory, 'holdfast.db') });
  await store.start();
  try {
    const boot = { previousId: null, hostBoot: 'h', host: null, pid: 1, startedAt: 1, previousStop: 'crash' as const };
    await store.recordBoot({ id: 'boot_1', ...boot });
    let report: RecoveryReport = emptyReport('boot_1');
    await store.updateBoot('boot_1', { report, readyAt: 2 });
    const fatal: string[] = [];
    const quiet = () => undefined;
    const ended = Promise.withResolvers<void>();
    const info = (text: string) => void (text.startsWith('history checked') && setImmediate(ended.resolve));
    const scrub = createScrub({
      store,
      clock: systemClock,
      log: { debug: quiet, info, warn: quiet, error: quiet, fatal: (text) => void fatal.push(text) },
      boot: 'boot_1',
      kinds: [finding(damaged)],
      callbacks: URLS,
      setAside: async () => undefined,
      atStart: () => [],
      getReport: () => report,
      setReport: (next) => (report = next),
    });
    await scrub.start();
    await ended.promise;
    await store.updateBoot('boot_1', { report: { ...report, warnings: [...report.warnings, 'later'] } }, URLS);
    const { items } = await store.listDeliveries({});
    assert.deepEqual((await store.checkDeep()).corrupt, []);
    return { report, fatal, told: items.toReversed() };
  } finally {
    await store.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

test('widespread damage is told once: log, report, and a message to every url of the operator', async () => {
  const { report, fatal, told } = await scrubWith(6);
  assert.equal(report.corruption.alert, true);
  assert.match(fatal.join(), /^6 of 100 records \(6\.0 %\) are damaged/);
  assert.deepEqual(
    report.warnings.filter((one) => one.startsWith('critical: ')),
    ['critical: 6 of 100 records are damaged'],
  );
  assert.deepEqual(
    told.map(({ type, url, jobId }) => [type, url, jobId]),
    URLS.map((url) => ['server.corrupted', url, null]),
  );
  const body = JSON.parse(told[0]?.body ?? '') as { type: string; data: Record<string, unknown> };
  assert.equal(body.type, 'server.corrupted');
  assert.deepEqual(body.data, {
    bootId: 'boot_1',
    checked: 100,
    corrupt: 6,
    rate: 0.06,
    kinds: { exit: { checked: 100, corrupt: 6 } },
  });
});

test('little damage is named and alarms nobody', async () => {
  const { report, fatal, told } = await scrubWith(4);
  assert.deepEqual([report.corruption.corrupt, report.corruption.alert, fatal, told], [4, false, [], []]);
});
