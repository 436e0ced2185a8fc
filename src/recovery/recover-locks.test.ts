/** Which locks of earlier servers are kept, and which are taken away, against real processes. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import type { AttemptContext } from '../attempts/context.ts';
import { readHostIdentity, readProcess } from '../keeper/host-identity.ts';
import { newBoot, newRepository } from '../store/conformance/fixtures.ts';
import { makeScratch, startStore } from '../store/sqlite/harness.fixture.ts';
import type { Store } from '../store/store.ts';
import { recoverLocks } from './recover-locks.ts';

const NOW = 1_800_000_000_000;

async function recover(
  store: Store,
  now: number,
): Promise<{ kept: string[]; removed: string[]; degraded: string[]; said: string }> {
  const identity = readHostIdentity();
  let said = '';
  const quiet = (): void => undefined;
  const log = { debug: quiet, info: (text: string): void => void (said = text), warn: quiet, error: quiet };
  const clock = { now: () => now, monotonic: () => 0 };
  const stop = new AbortController();
  const degraded: string[] = [];
  const ctx = { store, clock, log, identity, boot: 'boot_now' } as unknown as AttemptContext;
  const decisions = await recoverLocks(ctx, stop.signal, (resource) => void degraded.push(resource));
  stop.abort();
  const keysOf = (decision: string): string[] =>
    decisions.filter((one) => one.decision === decision).map(({ key }) => key);
  return { kept: keysOf('kept'), removed: keysOf('removed'), degraded, said };
}

test(
  'a living holder keeps its lock; dead ones lose it, unknown ones after ten minutes',
  { timeout: 60_000 },
  async () => {
    using scratch = makeScratch();
    const child = spawn('sleep', ['60'], { stdio: 'ignore' });
    try {
      await using store = await startStore({ path: scratch.path, clock: { now: () => NOW, monotonic: () => 0 } });
      const { boot: hostBoot } = readHostIdentity();
      await store.recordBoot(newBoot('boot_same', { hostBoot }));
      await store.recordBoot(newBoot('boot_before', { hostBoot: 'another' }));
      const alive = { pid: child.pid ?? 0, start: readProcess(child.pid ?? 0)?.start ?? '' };
      const holders = {
        living: { boot: 'boot_same', holder: alive },
        dead: { boot: 'boot_same', holder: { ...alive, start: '1' } },
        rebooted: { boot: 'boot_before', holder: alive },
        unknown: { boot: 'boot_forgotten', holder: alive },
        ours: { boot: 'boot_now', holder: alive },
      };
      for (const [name, held] of Object.entries(holders)) {
        await store.addRepository(newRepository({ name }));
        await store.acquireLock({ ...held, key: `repo:${name}`, operation: `op_${name}`, jobId: null });
      }
      const first = await recover(store, NOW + 60_000);
      assert.deepEqual(
        [first.kept, first.removed],
        [
          ['repo:living', 'repo:unknown'],
          ['repo:dead', 'repo:rebooted'],
        ],
      );
      assert.deepEqual(first.degraded, ['lock:living', 'lock:unknown']);
      assert.equal(first.said, 'Lock recovery: 3 valid, 2 stale, 2 from dead holders');
      const later = await recover(store, NOW + 10 * 60_000);
      assert.deepEqual([later.kept, later.removed], [['repo:living'], ['repo:unknown']]);
      assert.equal(later.said, 'Lock recovery: 2 valid, 1 stale, 0 from dead holders');
      child.kill('SIGKILL');
      await new Promise((resolve) => child.once('exit', resolve));
      assert.deepEqual((await recover(store, NOW)).removed, ['repo:living']);
      assert.deepEqual(
        (await store.listLocks()).map(({ key }) => key),
        ['repo:ours'],
      );
    } finally {
      child.kill('SIGKILL');
    }
  },
);
