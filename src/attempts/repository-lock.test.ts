import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fail } from '../kernel/errors.ts';
import { newRepository } from '../store/conformance/fixtures.ts';
import { makeScratch, startStore } from '../store/sqlite/harness.fixture.ts';
import { createRepositoryLocks, type RepositoryLocks } from './repository-lock.ts';

interface Visit {
  done: Promise<void>;
  inside: Promise<void>;
  leave: () => void;
}

/** Enters the critical section and stays until it is told to leave. */
function visit(locks: RepositoryLocks, operation: string, signal = new AbortController().signal): Visit {
  const inside = Promise.withResolvers<void>();
  const left = Promise.withResolvers<void>();
  const done = locks.withLock({ repository: 'app', operation, jobId: null, signal }, async () => {
    inside.resolve();
    await left.promise;
  });
  return { done, inside: inside.promise, leave: left.resolve };
}

test('whoever leaves the line lets nobody past the one who is inside', { timeout: 20_000 }, async () => {
  using scratch = makeScratch();
  await using store = await startStore({ path: scratch.path });
  await store.addRepository(newRepository());
  const locks = createRepositoryLocks({ store, boot: 'boot_1', holder: { pid: 1, start: '1' } });
  const first = visit(locks, 'op_1');
  await first.inside;
  const cancelled = new AbortController();
  const second = visit(locks, 'op_2', cancelled.signal);
  cancelled.abort(fail('state-conflict', 'cancelled'));
  await assert.rejects(second.done, /cancelled/);
  const third = visit(locks, 'op_3');
  const entered = await Promise.race([third.inside.then(() => 'third'), roundTrips(10).then(() => 'nobody')]);
  assert.equal(entered, 'nobody');
  assert.deepEqual(
    (await store.listLocks()).map((lock) => lock.operation),
    ['op_1'],
  );
  first.leave();
  await Promise.all([first.done, third.inside]);
  third.leave();
  await third.done;
  assert.deepEqual(await store.listLocks(), []);

  /** Far more than the store needs to give a lock. */
  async function roundTrips(count: number): Promise<void> {
    for (let n = 0; n < count; n++) await store.listLocks();
  }
});

test('a lock of this start that nobody uses is taken away, one of another start is waited for', async () => {
  using scratch = makeScratch();
  await using store = await startStore({ path: scratch.path });
  await store.addRepository(newRepository());
  const lock = { key: 'repo:app', holder: { pid: 1, start: '1' }, jobId: null };
  const left = await store.acquireLock({ ...lock, boot: 'boot_1', operation: 'op_left' });
  assert.ok(left !== null);
  const locks = createRepositoryLocks({ store, boot: 'boot_1', holder: { pid: 1, start: '1' } });
  const one = visit(locks, 'op_1');
  await one.inside;
  one.leave();
  await one.done;
  const foreign = await store.acquireLock({ ...lock, boot: 'boot_0', operation: 'op_foreign' });
  const two = visit(locks, 'op_2');
  const entered = await Promise.race([
    two.inside.then(() => 'two'),
    store.stats().then(async () => {
      await store.stats();
      return 'nobody';
    }),
  ]);
  assert.equal(entered, 'nobody');
  await store.releaseLock('repo:app', foreign?.fence ?? 0);
  await two.inside;
  two.leave();
  await two.done;
});
