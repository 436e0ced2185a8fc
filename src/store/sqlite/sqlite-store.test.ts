import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { accept, newRepository } from '../conformance/fixtures.ts';
import { runStoreSuite } from '../store.testsuite.ts';
import { makeScratch, openHarness, startStore } from './harness.fixture.ts';

runStoreSuite('sqlite', () => openHarness());

describe('sqlite store', () => {
  it('does not claim a frozen job after a start, and shows it in the queue', async () => {
    using scratch = makeScratch();
    {
      await using store = await startStore({ path: scratch.path });
      await store.addRepository(newRepository());
      const { id } = await accept(store);
      await accept(store);
      await store.freezeJob({ id, frozen: true, actor: 'local' });
    }
    await using store = await startStore({ path: scratch.path });
    const claim = async () => (await store.claimJobs({ boot: 'b', hostLimit: 9, max: 9 })).map((job) => job.number);
    assert.deepEqual(await claim(), [2]);
    assert.deepEqual(
      (await store.listQueue(9)).map((job) => [job.number, job.frozen]),
      [[1, true]],
    );
    const [frozen] = await store.listQueue(1);
    await store.freezeJob({ id: frozen?.id ?? '', frozen: false, actor: 'local' });
    assert.deepEqual(await claim(), [1]);
  });

  it('carries out what was asked before it was stopped, and nothing after', async () => {
    using scratch = makeScratch();
    await using store = await startStore({ path: scratch.path });
    await store.addRepository(newRepository());
    const accepted = Promise.all(Array.from({ length: 100 }, () => accept(store)));
    const [, jobs] = await Promise.all([store.stop(), accepted]);
    assert.equal(jobs.length, 100);
    await assert.rejects(accept(store), /the store is not started/);
    await store.stop();
    await store.start();
    assert.equal((await store.countJobsByState()).queued, 100);
  });

  it('refuses what cannot cross to its thread, and only that', async () => {
    using scratch = makeScratch();
    await using store = await startStore({ path: scratch.path });
    await store.addRepository(newRepository());
    const nonsense = { principal: (() => 'x') as unknown as string };
    const [first, second, third] = await Promise.allSettled([accept(store), accept(store, nonsense), accept(store)]);
    assert.deepEqual([first.status, second.status, third.status], ['fulfilled', 'rejected', 'fulfilled']);
  });
});
