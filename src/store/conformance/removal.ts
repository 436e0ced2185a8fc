import assert from 'node:assert/strict';
import { it } from 'node:test';
import { accept, claimNext, completeNext, newJob, reload, withStore, type OpenHarness } from './fixtures.ts';
import { rejectsWith } from './rejects.ts';

/** Removal of ended jobs. */
export function testRemoval(open: OpenHarness): void {
  const file = { name: 'a', sha256: 'a'.repeat(64), size: 1, overwrite: false, perJob: 9, actor: 'ann' };

  it('leaves a tombstone of an ended job, and nothing else', () =>
    withStore(open, async ({ store, reopen }) => {
      const job = await accept(store, { prompt: 'mine', start: false });
      await store.recordJobFile({ ...file, jobId: job.id });
      await store.moveJob({ id: job.id, transition: 'start', fence: null, actor: 'ann' });
      const { finishedAt } = await completeNext(store);
      const before = (await store.listEvents({ after: 0, jobId: job.id, limit: 50 })).at(-1);
      await store.removeJob({ id: job.id, actor: 'ann' });
      assert.equal(await store.getJob(job.id), null);
      assert.equal(await store.findJob('1'), null);
      assert.deepEqual(await store.listAttempts(job.id), []);
      assert.deepEqual(await store.listJobFiles(job.id), []);
      assert.equal(await store.getPrompt(job.promptSha256), null);
      const [event, ...rest] = await store.listEvents({ after: 0, jobId: job.id, limit: 50 });
      assert.deepEqual(
        [event?.kind, event?.actor, event?.data, rest],
        ['job.remove', 'ann', { number: 1, repositories: ['app'] }, []],
      );
      assert.ok(event !== undefined && before !== undefined && event.seq > before.seq);
      const tombstone = await store.findTombstone('1');
      assert.deepEqual(tombstone, {
        id: job.id,
        number: 1,
        repositories: ['app'],
        removedAt: event.at,
        clearedAt: null,
      });
      assert.deepEqual(await store.findTombstone(job.id), tombstone);
      assert.ok(event.at >= (finishedAt ?? 0));
      assert.deepEqual(await store.listRemovals(), [job.id], 'its files are due');
      await store.finishRemoval(job.id);
      await store.finishRemoval(job.id);
      assert.deepEqual(await store.listRemovals(), []);
      assert.equal((await store.countJobsByState()).completed, 0);
      const again = await reopen();
      const check = await again.checkDeep();
      assert.deepEqual([check.corrupt, check.witness], [[], null]);
      assert.equal((await accept(again)).number, 2, 'numbers are never used again');
    }));

  it('refuses what has not ended, and every later write of what was removed', () =>
    withStore(open, async ({ store }) => {
      const job = await accept(store, { start: false });
      const { id } = job;
      await rejectsWith('state-conflict', store.removeJob({ id, actor: 'a' }));
      await store.moveJob({ id, transition: 'start', fence: null, actor: 'a' });
      await rejectsWith('state-conflict', store.removeJob({ id, actor: 'a' }));
      const claimed = await claimNext(store);
      await rejectsWith('state-conflict', store.removeJob({ id, actor: 'a' }));
      await store.moveJob({ id, transition: 'cancel', fence: claimed.fence, actor: 'a' });
      await rejectsWith('job-not-found', store.removeJob({ id: 'job_none', actor: 'a' }));
      const both = await Promise.allSettled([1, 2].map(() => store.removeJob({ id, actor: 'a' })));
      assert.deepEqual(
        both.map(({ status }) => status),
        ['fulfilled', 'rejected'],
        'two at once: one does it',
      );
      const seq = await store.getLastSeq();
      const lock = { key: 'repo:app', boot: 'b', holder: { pid: 1, start: '1' }, operation: 'op_1', jobId: id };
      for (const write of [
        () => store.removeJob({ id, actor: 'a' }),
        () => store.moveJob({ id, transition: 'retry', fence: null, actor: 'a' }),
        () => store.noteJob({ id, fence: null, set: { outputBytes: 1 }, actor: 'a' }),
        () => store.requestCancel(id, 'a'),
        () => store.recordJobFile({ ...file, jobId: id }),
        () => store.dropJobFile({ jobId: id, name: 'a', actor: 'a' }),
        () => store.acquireLock(lock),
        () => store.intendAttempt({ jobId: id, fence: claimed.fence, mode: 'cold', sessionId: null, boot: 'b' }),
      ]) {
        await rejectsWith('gone', write());
      }
      assert.equal(await store.getLastSeq(), seq, 'nothing of it was kept');
      assert.deepEqual(await store.listLocks(), []);
    }));

  it('keeps a prompt while another job has it, and a key no longer than its job', () =>
    withStore(open, async ({ store }) => {
      const idempotency = { key: 'k', requestSha256: 'f'.repeat(64) };
      const first = await accept(store, { prompt: 'shared', idempotency });
      const second = await accept(store, { prompt: 'shared' });
      await completeNext(store);
      await store.removeJob({ id: first.id, actor: 'a' });
      assert.equal(await store.getPrompt(second.promptSha256), 'shared');
      const again = await store.acceptJob(newJob({ prompt: 'shared', idempotency }));
      assert.deepEqual([again.replayed, again.job.number], [false, 3]);
      await completeNext(store);
      await completeNext(store);
      for (const { id } of [second, again.job]) await store.removeJob({ id, actor: 'a' });
      assert.equal(await store.getPrompt(second.promptSha256), null);
      assert.deepEqual((await store.checkDeep()).corrupt, []);
    }));

  it('is one of many writes of a group, whole or not at all', () =>
    withStore(open, async ({ store, reopen }) => {
      const jobs = [];
      for (let n = 0; n < 12; n++) jobs.push(await accept(store, { prompt: `p${n % 3}` }));
      for (let n = 0; n < 6; n++) await completeNext(store);
      const results = await Promise.allSettled(jobs.map(({ id }) => store.removeJob({ id, actor: 'a' })));
      assert.deepEqual(
        results.map(({ status }) => status),
        jobs.map((_, n) => (n < 6 ? 'fulfilled' : 'rejected')),
      );
      const again = await reopen();
      assert.deepEqual((await again.checkDeep()).corrupt, []);
      const left = (await again.listJobs({})).items.map(({ number }) => number);
      assert.deepEqual(left, [12, 11, 10, 9, 8, 7]);
      for (const job of jobs.slice(6)) assert.equal((await reload(again, job)).state, 'queued');
    }));
}
