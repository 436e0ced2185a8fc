import assert from 'node:assert/strict';
import { it } from 'node:test';
import { MAX_OVERTAKEN } from '../../lifecycle/choose-claims.ts';
import type { Job } from '../../lifecycle/job.ts';
import { NOTHING_SPENT, type Step } from '../../lifecycle/stage.ts';
import type { Store } from '../store.ts';
import { accept, claimNext, newAttempt, newRepository, reload, withStore, type OpenHarness } from './fixtures.ts';
import { rejectsWith } from './rejects.ts';

const COMMIT = 'c'.repeat(40);
const AT_MERGE: Step = { gate: null, task: null, candidate: COMMIT, merge: null, spent: NOTHING_SPENT };
const ANY = { boot: 'boot_a', hostLimit: 100, max: 100 };

async function claimAll(store: Store): Promise<number[]> {
  return (await store.claimJobs(ANY)).map((job) => job.number);
}

async function complete(store: Store, job: Job): Promise<void> {
  const launched = await store.intendAttempt(newAttempt(job));
  const owner = { fence: job.fence, actor: 'owner' };
  await store.settleAttempt(
    { id: launched.attempt.id, transition: 'finish', ...owner },
    { id: job.id, transition: 'complete', ...owner },
  );
}

/** Jobs of several repositories, batches, sources in trouble, and locks that cannot be trusted. */
export function testWaiting(open: OpenHarness): void {
  it('claims a job of several repositories only with a place in each, and gives all of them back', () =>
    withStore(open, async ({ store, reopen }) => {
      await store.updateRepository('app', { concurrency: 1 }, 'local');
      await store.addRepository(newRepository({ name: 'lib', concurrency: 1 }));
      await accept(store);
      const both = await accept(store, { repository: 'lib', others: ['app'] });
      assert.deepEqual([both.others, both.otherBases, both.overtaken], [['app'], null, null]);
      const after = await accept(store, { repository: 'lib' });
      const first = await claimNext(store);
      assert.equal(first.number, 1);
      const again = await reopen();
      assert.deepEqual(await claimAll(again), [after.number], 'what needs less may pass');
      assert.equal((await reload(again, both)).overtaken, 1);
      await complete(again, first);
      assert.deepEqual(await claimAll(again), []);
      await complete(again, await reload(again, after));
      const claimed = await again.claimJobs(ANY);
      assert.deepEqual(
        claimed.map((job) => job.id),
        [both.id],
      );
      const places = await again.listPlaces();
      assert.deepEqual(
        places.map(({ repository, active, concurrency }) => [repository, active, concurrency]),
        [
          ['app', 1, 1],
          ['lib', 1, 1],
        ],
      );
      await complete(again, claimed[0] as Job);
      assert.deepEqual(
        (await again.listPlaces()).map(({ active }) => active),
        [0, 0],
      );
    }));

  it('keeps a place for one that was passed often enough, over a restart', () =>
    withStore(open, async ({ store, reopen }) => {
      await store.updateRepository('app', { concurrency: 1 }, 'local');
      await store.addRepository(newRepository({ name: 'lib', concurrency: 1 }));
      await accept(store, { repository: 'lib' });
      const blocker = await claimNext(store);
      const both = await accept(store, { others: ['lib'] });
      for (let n = 0; n < MAX_OVERTAKEN; n++) {
        await accept(store);
        await complete(store, await claimNext(store));
      }
      await accept(store);
      const again = await reopen();
      assert.deepEqual(await claimAll(again), [], 'the place is kept');
      await complete(again, blocker);
      assert.equal((await claimNext(again)).id, both.id);
    }));

  it('lets opposite orders of the same repositories pass one after the other', () =>
    withStore(open, async ({ store }) => {
      for (const name of ['a', 'b']) await store.addRepository(newRepository({ name, concurrency: 1 }));
      for (const [repository, other] of [
        ['a', 'b'],
        ['b', 'a'],
        ['a', 'b'],
        ['b', 'a'],
      ] as const)
        await accept(store, { repository, others: [other] });
      for (let number = 1; number <= 4; number++) {
        const claimed = await store.claimJobs(ANY);
        assert.deepEqual(
          claimed.map((job) => job.number),
          [number],
        );
        await complete(store, claimed[0] as Job);
      }
    }));

  it('lists and protects a repository by every job that names it', () =>
    withStore(open, async ({ store }) => {
      await store.addRepository(newRepository({ name: 'lib' }));
      const both = await accept(store, { others: ['lib'] });
      const single = await accept(store, { repository: 'lib' });
      await accept(store);
      const first = await store.listJobs({ repository: 'lib', limit: 1 });
      assert.deepEqual(
        first.items.map((job) => job.id),
        [single.id],
      );
      const rest = await store.listJobs({ repository: 'lib', limit: 1, cursor: first.nextCursor ?? '' });
      assert.deepEqual(
        rest.items.map((job) => job.id),
        [both.id],
      );
      assert.deepEqual((await store.listJobs({ repository: 'lib', state: 'failed' })).items, []);
      await store.requestCancel(single.id, 'local');
      await rejectsWith('repository-busy', store.removeRepository('lib', 'local'));
      await store.requestCancel(both.id, 'local');
      await store.removeRepository('lib', 'local');
      await rejectsWith('repository-not-found', accept(store, { others: ['lib'] }));
      await rejectsWith('bad-request', accept(store, { others: ['app'] }));
    }));

  it('passes over every job of an unavailable repository without keeping a place for it', () =>
    withStore(open, async ({ store }) => {
      await store.updateRepository('app', { concurrency: 1 }, 'local');
      await store.addRepository(newRepository({ name: 'lib' }));
      await store.updateRepository('lib', { unavailable: 'its lock is damaged' }, 'local');
      const both = await accept(store, { others: ['lib'] });
      for (let n = 0; n <= MAX_OVERTAKEN + 1; n++) {
        await accept(store);
        await complete(store, await claimNext(store));
      }
      assert.equal((await reload(store, both)).overtaken, null);
      await store.updateRepository('lib', { unavailable: null }, 'local');
      assert.equal((await claimNext(store)).id, both.id);
    }));

  it('knows by the order of the queue whom a fetch serves', () =>
    withStore(open, async ({ store, reopen }) => {
      const { id } = (await store.listRepositories())[0] ?? { id: '' };
      assert.equal(await store.getNewestBatch(id), null);
      const first = await accept(store);
      const through = await store.getLastPlace();
      assert.equal(through, first.queueSeq);
      const later = await accept(store);
      const batch = await store.recordBatch({ repository: 'app', jobId: first.id, through, actor: 'owner' });
      assert.deepEqual([batch.repositoryId, batch.jobId, batch.through], [id, first.id, through]);
      const again = await reopen();
      assert.deepEqual(await again.getNewestBatch(id), batch);
      assert.ok((later.queueSeq ?? 0) > batch.through);
      const newest = await again.recordBatch({ repository: 'app', jobId: null, through: through + 1, actor: 'server' });
      assert.deepEqual(await again.getNewestBatch(id), newest);
      assert.deepEqual((await again.checkLive()).corrupt, []);
      assert.deepEqual((await again.checkDeep()).corrupt, []);
    }));

  it('claims of a source in trouble only what needs no fetch', () =>
    withStore(open, async ({ store }) => {
      const [fetched, fresh] = [await accept(store), await accept(store)];
      await store.recordBatch({ repository: 'app', jobId: null, through: fetched.queueSeq ?? 0, actor: 'server' });
      const trouble = { why: 'no route to host', failures: 1, retryAt: 1_900_000_000_000 };
      await store.updateRepository('app', { trouble }, 'server');
      assert.deepEqual((await store.listPlaces())[0]?.trouble, trouble);
      assert.deepEqual(await claimAll(store), [fetched.number]);
      await store.updateRepository('app', { trouble: { ...trouble, retryAt: null } }, 'server');
      assert.deepEqual(await claimAll(store), [fresh.number]);
      await store.updateRepository('app', { trouble: null }, 'server');
      assert.equal((await store.getRepository('app'))?.trouble, null);
    }));

  it('claims no merge of a source in trouble, but the gates of one', () =>
    withStore(open, async ({ store }) => {
      const job = await accept(store, { pipeline: 'full' });
      await store.intendAttempt(newAttempt(await claimNext(store)));
      const advance = async (fence: number, gate: string | null): Promise<void> => {
        const set = { stage: 'merge', step: { ...AT_MERGE, gate }, baseCommit: COMMIT } as const;
        await store.moveJob({ id: job.id, transition: 'advance', set, fence, actor: 'owner' });
      };
      await advance(1, 'npm test');
      const trouble = { why: 'no route to host', failures: 1, retryAt: 1_900_000_000_000 };
      await store.updateRepository('app', { trouble }, 'server');
      await store.recordBatch({ repository: 'app', jobId: null, through: 9, actor: 'server' });
      assert.deepEqual(await claimAll(store), [job.number]);
      await advance(2, null);
      assert.deepEqual(await claimAll(store), []);
      await store.updateRepository('app', { trouble: { ...trouble, retryAt: null } }, 'server');
      assert.deepEqual(await claimAll(store), [job.number]);
    }));

  it('has slots of their own for every kind of lock', () =>
    withStore(open, async ({ store }) => {
      const lock = { boot: 'boot_a', holder: { pid: 1, start: '1' }, operation: 'op', jobId: null };
      const own = await store.acquireLock({ ...lock, key: 'repo:app' });
      const tests = await store.acquireLock({ ...lock, key: 'tests:app' });
      assert.ok(own !== null && tests !== null);
      assert.equal(await store.acquireLock({ ...lock, operation: 'other', key: 'tests:app' }), null);
      await store.releaseLock('repo:app', own.fence, 'recovery');
      const released = (await store.listEvents({ after: 0, limit: 99 })).findLast(
        ({ kind }) => kind === 'lock.release',
      );
      assert.equal(released?.actor, 'recovery', 'who took it away is not who held it');
      await rejectsWith('repository-busy', store.removeRepository('app', 'local'));
      for (const key of ['app', 'repo:', 'lint:app', 'repo:a/b', 'repo:app#1'])
        await rejectsWith('bad-request', store.acquireLock({ ...lock, key }));
    }));

  it('has one slot for the tests of each repository, which goes to the next who asks once it is free', () =>
    withStore(open, async ({ store }) => {
      await store.addRepository(newRepository({ name: 'lib' }));
      const lock = { boot: 'boot_a', holder: { pid: 1, start: '1' }, jobId: null };
      const take = (operation: string, key: string) => store.acquireLock({ ...lock, operation, key });
      const asked = await Promise.all(['a', 'b', 'c'].map((operation) => take(operation, 'tests:app')));
      const [winner] = asked.filter((one) => one !== null);
      assert.equal(asked.filter((one) => one !== null).length, 1, 'one slot, however many ask at once');
      assert.ok(winner !== undefined && (await take('d', 'tests:lib')) !== null, 'another repository has its own');
      await rejectsWith('repository-not-found', take('e', 'tests:none'));
      await store.releaseLock('tests:app', winner.fence);
      const next = await take('f', 'tests:app');
      assert.ok(next !== null && next.fence > winner.fence);
      await store.releaseLock('tests:app', winner.fence);
      assert.deepEqual(
        (await store.listLocks()).map(({ key, operation }) => [key, operation]),
        [
          ['tests:app', 'f'],
          ['tests:lib', 'd'],
        ],
        'who had it before takes nothing from who has it now',
      );
      assert.deepEqual((await store.checkDeep()).corrupt, []);
    }));

  it('takes a lock away when it is told to, and says who did', () =>
    withStore(open, async ({ store }) => {
      const job = await accept(store);
      const lock = { boot: 'boot_a', holder: { pid: 1, start: '1' }, operation: 'op' };
      await store.acquireLock({ ...lock, key: 'repo:app', jobId: job.id });
      const [seen] = await store.listLocks();
      assert.ok(seen !== undefined);
      const clear = { key: 'repo:app', seen: seen.fence, actor: 'ann' };
      await rejectsWith('lock-held', store.clearLock({ ...clear, seen: seen.fence - 1 }));
      await rejectsWith('lock-held', store.clearLock({ ...clear, seen: null }));
      await store.clearLock(clear);
      assert.deepEqual(await store.listLocks(), []);
      const told = (await store.listEvents({ after: 0, limit: 100 })).filter(({ kind }) => kind === 'lock.release');
      assert.deepEqual(
        told.map(({ actor, subject }) => [actor, subject === job.id]),
        [
          ['ann', true],
          ['ann', false],
        ],
      );
      await rejectsWith('not-found', store.clearLock(clear));
      assert.ok((await store.acquireLock({ ...lock, key: 'repo:app', jobId: null })) !== null);
      assert.deepEqual((await store.checkDeep()).corrupt, []);
      assert.deepEqual(await store.listDamagedLocks(), []);
    }));
}
