import assert from 'node:assert/strict';
import { it } from 'node:test';
import {
  accept,
  claimNext,
  completeNext,
  launchNext,
  newAttempt,
  newRepository,
  reload,
  withStore,
  type OpenHarness,
} from './fixtures.ts';
import { rejectsWith } from './rejects.ts';

/** The queue: order, claims, limits, places, cancellation. */
export function testQueue(open: OpenHarness): void {
  it('claims no frozen job, keeps its place, and lets what was claimed go on', () =>
    withStore(open, async ({ store, reopen }) => {
      await store.updateRepository('app', { concurrency: 10 }, 'local');
      const [first, second] = [await accept(store), await accept(store)];
      const freeze = (on: typeof store, id: string, frozen: boolean) => on.freezeJob({ id, frozen, actor: 'ann' });
      assert.equal((await freeze(store, first.id, true)).frozen, true);
      const seq = await store.getLastSeq();
      await freeze(store, first.id, true);
      assert.equal(await store.getLastSeq(), seq, 'once is enough');
      const stored = await reopen();
      const claim = async () => (await stored.claimJobs({ boot: 'b', hostLimit: 9, max: 9 })).map(({ id }) => id);
      assert.deepEqual(await claim(), [second.id]);
      assert.equal(await stored.getQueuePosition(first.id), 1);
      assert.deepEqual((await freeze(stored, second.id, true)).state, 'preparing');
      const back = { id: second.id, transition: 'requeue', fence: 1, actor: 'b' } as const;
      assert.deepEqual((await stored.moveJob(back)).frozen, true, 'it stays so through its transitions');
      assert.deepEqual(await claim(), []);
      for (const { id } of [first, second]) await freeze(stored, id, false);
      assert.deepEqual(await claim(), [first.id, second.id], 'at their old places');
      const held = await accept(stored, { start: false });
      await freeze(stored, held.id, true);
      await stored.requestCancel(held.id, 'local');
      assert.equal((await freeze(stored, held.id, false)).frozen, false);
      await rejectsWith('state-conflict', freeze(stored, held.id, true));
      await rejectsWith('job-not-found', freeze(stored, 'job_none', true));
      const told = (await stored.listEvents({ after: 0, limit: 100 })).filter(({ kind }) => kind.includes('freeze'));
      assert.equal(told.length, 6);
      assert.ok(told.every(({ actor }) => actor === 'ann'));
      assert.deepEqual((await stored.checkDeep()).corrupt, []);
    }));

  it('claims by priority, then in the order of acceptance, each under a new fence', () =>
    withStore(open, async ({ store }) => {
      await store.updateRepository('app', { concurrency: 10 }, 'local');
      for (const priority of [0, 5, 0, 5, -1]) await accept(store, { priority });
      assert.deepEqual(
        (await store.listQueue(10)).map((job) => job.number),
        [2, 4, 1, 3, 5],
      );
      const claimed = await store.claimJobs({ boot: 'boot_a', hostLimit: 10, max: 3 });
      assert.deepEqual(
        claimed.map((job) => [job.number, job.state, job.fence, job.claimedBy]),
        [
          [2, 'preparing', 1, 'boot_a'],
          [4, 'preparing', 1, 'boot_a'],
          [1, 'preparing', 1, 'boot_a'],
        ],
      );
      assert.deepEqual(
        (await store.listActiveJobs()).map((job) => job.number),
        [1, 2, 4],
      );
    }));

  it('tells the position of a queued job', () =>
    withStore(open, async ({ store }) => {
      const jobs = [await accept(store), await accept(store, { priority: 1 }), await accept(store)];
      const positions = async (): Promise<(number | null)[]> =>
        Promise.all(jobs.map((job) => store.getQueuePosition(job.id)));
      assert.deepEqual(await positions(), [2, 1, 3]);
      await claimNext(store);
      assert.deepEqual(await positions(), [1, null, 2]);
      assert.equal(await store.getQueuePosition('job_nothing'), null);
    }));

  it('keeps to the limits of the host and of each repository', () =>
    withStore(open, async ({ store }) => {
      await store.addRepository(newRepository({ name: 'lib', concurrency: 1 }));
      for (const repository of ['lib', 'lib', 'app', 'app', 'app']) await accept(store, { repository });
      const claim = async (hostLimit: number): Promise<string[]> =>
        (await store.claimJobs({ boot: 'b', hostLimit, max: 10 })).map((job) => `${job.repository}${job.number}`);
      assert.deepEqual(await claim(0), []);
      assert.deepEqual(await claim(2), ['lib1', 'app3']);
      assert.deepEqual(await claim(2), []);
      assert.deepEqual(await claim(10), ['app4', 'app5']);
      await store.updateRepository('lib', { concurrency: 2 }, 'local');
      assert.deepEqual(await claim(10), ['lib2']);
    }));

  it('passes over repositories that cannot be used', () =>
    withStore(open, async ({ store }) => {
      await store.addRepository(newRepository({ name: 'lib' }));
      await accept(store, { repository: 'lib' });
      await accept(store);
      await store.updateRepository('lib', { unavailable: 'the remote does not answer' }, 'local');
      assert.equal((await claimNext(store)).number, 2);
      assert.deepEqual(await store.claimJobs({ boot: 'b', hostLimit: 9, max: 9 }), []);
      await store.updateRepository('lib', { unavailable: null }, 'local');
      assert.equal((await claimNext(store)).number, 1);
    }));

  it('never gives one job to two claims that arrive together', () =>
    withStore(open, async ({ store }) => {
      await store.updateRepository('app', { concurrency: 100 }, 'local');
      await Promise.all(Array.from({ length: 40 }, () => accept(store)));
      const claims = await Promise.all(
        Array.from({ length: 60 }, () => store.claimJobs({ boot: 'b', hostLimit: 30, max: 1 })),
      );
      const ids = claims.flat().map((job) => job.id);
      assert.equal(ids.length, 30, 'the limit of the host holds at every instant');
      assert.equal(new Set(ids).size, 30);
    }));

  it('puts a job back at its old place, whether it never ran or was interrupted', () =>
    withStore(open, async ({ store }) => {
      for (let i = 0; i < 3; i++) await accept(store);
      const first = await claimNext(store);
      const back = await store.moveJob({ id: first.id, transition: 'requeue', fence: first.fence, actor: 'owner' });
      assert.deepEqual([back.state, back.queueSeq, back.queuedAt], ['queued', first.queueSeq, first.queuedAt]);
      const { job, attempt } = await launchNext(store);
      assert.deepEqual([job.id, job.fence], [first.id, 2]);
      await store.settleAttempt(
        { id: attempt.id, transition: 'interrupt', fence: 2, actor: 'owner' },
        { id: job.id, transition: 'interrupt', fence: 2, actor: 'owner' },
      );
      assert.deepEqual(
        (await store.listQueue(10)).map((queued) => queued.number),
        [1, 2, 3],
      );
    }));

  it('retries in a new epoch at the end of the queue, with nothing of the old end left', () =>
    withStore(open, async ({ store }) => {
      await accept(store);
      const { job, attempt } = await launchNext(store);
      await store.settleAttempt(
        { id: attempt.id, transition: 'finish', fence: 1, actor: 'owner', set: { exitCode: 3 } },
        {
          id: job.id,
          transition: 'fail',
          fence: 1,
          actor: 'owner',
          set: { exitCode: 3, reason: 'exit_code', blocker: 'it said no' },
        },
      );
      const failed = await reload(store, job);
      assert.deepEqual(
        [failed.state, failed.outcome, failed.reason, failed.exitCode],
        ['failed', 'failure', 'exit_code', 3],
      );
      assert.ok(failed.finishedAt !== null);
      const waiting = await accept(store);
      const again = await store.moveJob({ id: job.id, transition: 'retry', fence: null, actor: 'local' });
      assert.deepEqual(
        [
          again.state,
          again.epoch,
          again.outcome,
          again.reason,
          again.blocker,
          again.exitCode,
          again.finishedAt,
          again.startedAt,
        ],
        ['queued', 2, null, null, null, null, null, null],
      );
      assert.ok((again.queueSeq ?? 0) > (waiting.queueSeq ?? 0));
      assert.equal(again.fence, 1, 'the fence goes on: the old owner stays fenced');
      assert.equal(again.attempts, 1);
    }));

  it('cancels an unclaimed job at once, and only wishes it of an owned one', () =>
    withStore(open, async ({ store }) => {
      const held = await accept(store, { start: false });
      const ended = await store.requestCancel(held.id, 'ann');
      assert.deepEqual([ended.state, ended.outcome, ended.reason], ['cancelled', 'cancelled', 'cancelled_by_client']);
      await rejectsWith('state-conflict', store.requestCancel(held.id, 'ann'));
      await accept(store);
      const { job, attempt } = await launchNext(store);
      const wished = await store.requestCancel(job.id, 'ann');
      assert.deepEqual([wished.state, wished.cancelRequestedAt !== null], ['running', true]);
      const twice = await store.requestCancel(job.id, 'ann');
      assert.deepEqual(twice, wished, 'a second wish changes nothing');
      await rejectsWith(
        'state-conflict',
        store.moveJob({ id: job.id, transition: 'cancel', fence: null, actor: 'ann' }),
      );
      await store.moveAttempt({ id: attempt.id, transition: 'finish', fence: 1, actor: 'owner' });
      const done = await store.moveJob({ id: job.id, transition: 'cancel', fence: 1, actor: 'owner' });
      assert.deepEqual([done.state, done.outcome, done.reason], ['cancelled', 'cancelled', 'cancelled_by_client']);
      await rejectsWith('job-not-found', store.requestCancel('job_none', 'ann'));
    }));

  it('does not lose a wish to cancel that crosses the return to the queue', () =>
    withStore(open, async ({ store }) => {
      await accept(store);
      const claimed = await claimNext(store);
      const [, back] = await Promise.all([
        store.requestCancel(claimed.id, 'ann'),
        store.moveJob({ id: claimed.id, transition: 'requeue', fence: claimed.fence, actor: 'owner' }),
      ]);
      assert.deepEqual([back.state, back.outcome], ['cancelled', 'cancelled']);
      assert.deepEqual(await store.claimJobs({ boot: 'b', hostLimit: 9, max: 9 }), []);
    }));

  it('frees the place of a job that ended', () =>
    withStore(open, async ({ store }) => {
      await store.updateRepository('app', { concurrency: 1 }, 'local');
      for (let i = 0; i < 3; i++) await accept(store);
      assert.equal((await completeNext(store)).number, 1);
      const { job } = await store.intendAttempt(newAttempt(await claimNext(store)));
      assert.deepEqual(await store.claimJobs({ boot: 'b', hostLimit: 9, max: 9 }), []);
      await store.moveJob({
        id: job.id,
        transition: 'time_out',
        fence: job.fence,
        actor: 'owner',
        set: { reason: 'wall_limit' },
      });
      assert.equal((await claimNext(store)).number, 3);
    }));
}
