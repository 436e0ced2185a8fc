/** A day of a server, by a clock of our own: it looks every hour, and once a day at what was sent and never recorded. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { AttemptContext } from '../../attempts/context.ts';
import { readHostIdentity } from '../../keeper/host-identity.ts';
import { createKeyedMutex } from '../../kernel/keyed-mutex.ts';
import { homeLayout } from '../../lifecycle/home.ts';
import { accept, newBoot, newRepository } from '../../store/conformance/fixtures.ts';
import { makeScratch, startStore } from '../../store/sqlite/harness.fixture.ts';
import { createOrphanKeeper } from '../orphan-keeper.ts';
import type { ResourceKeeper } from '../resource-keeper.ts';
import { createRetentionKeeper, type RetentionKeeper } from './retention-keeper.ts';

const HOUR_MS = 3_600_000;

interface Day {
  keeper: RetentionKeeper;
  /** Lets so many hours pass, and one look at their end. */
  pass: (hours: number) => Promise<void>;
  /** Something that was sent and never recorded, just now; returns its path. */
  plant: (sum: string) => string;
}

/** Opens a home of its own whose keeper has looked once. */
async function withDay(timers: typeof import('node:test').mock.timers, body: (day: Day) => Promise<void>) {
  using scratch = makeScratch();
  const home = homeLayout(scratch.directory);
  for (const folder of [home.jobs, home.repos, home.removals]) mkdirSync(folder);
  await using store = await startStore({ path: home.database });
  await store.addRepository(newRepository());
  await store.recordBoot(newBoot('boot_now'));
  const job = await accept(store, { start: false });
  timers.enable({ apis: ['setTimeout'] });
  const [wallAt, monotonicAt] = [Date.now(), performance.now()];
  let passedMs = 0;
  const clock = { now: () => wallAt + passedMs, monotonic: () => monotonicAt + passedMs };
  const quiet = (): void => undefined;
  const log = { debug: quiet, info: quiet, warn: quiet, error: quiet };
  const fixed = { home, clock, log, identity: readHostIdentity(), boot: 'boot_now', host: 'host_here' };
  const ctx = { ...fixed, store, jobFiles: createKeyedMutex() } as unknown as AttemptContext;
  const orphans = createOrphanKeeper(ctx, {} as ResourceKeeper, new AbortController().signal);
  const keeper = createRetentionKeeper(ctx, {
    spans: { workspacesMs: 7 * 24 * HOUR_MS, jobsMs: 90 * 24 * HOUR_MS },
    lastSignAt: () => null,
    sweepStaging: (now) => orphans.sweepStaging(now),
    onDamage: (why) => assert.fail(why),
  });
  const looked = async (): Promise<void> => {
    while (keeper.state().lookedAt !== clock.now()) await nextTurn();
    // The timer of the next look is set after this one.
    await nextTurn();
  };
  const plant = (sum: string): string => {
    const path = join(home.staging(job.id), sum.repeat(64), 'half.txt');
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, 'half');
    utimesSync(path, clock.now() / 1000, clock.now() / 1000);
    return path;
  };
  const pass = (hours: number): Promise<void> => {
    passedMs += hours * HOUR_MS;
    timers.tick(HOUR_MS);
    return looked();
  };
  try {
    await keeper.start();
    await looked();
    await body({ keeper, pass, plant });
  } finally {
    await keeper.stop();
  }
}

test('what was sent and never recorded goes once a day, a day after it came', async ({ mock }) => {
  await withDay(mock.timers, async ({ keeper, pass, plant }) => {
    const first = plant('a');
    await pass(12);
    const second = plant('b');
    await pass(11);
    assert.deepEqual([existsSync(first), keeper.state().removed.staged], [true, 0]);
    await pass(2);
    assert.deepEqual([existsSync(first), existsSync(second), keeper.state().removed.staged], [false, true, 1]);
    await pass(22);
    assert.ok(existsSync(second), 'not before the next day');
    await pass(3);
    assert.deepEqual([existsSync(second), existsSync(dirname(first))], [false, false]);
  });
});
