import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { JournalEvent } from '../store.ts';
import {
  accept,
  claimNext,
  completeNext,
  launchNext,
  newBoot,
  newJob,
  reload,
  withStore,
  type OpenHarness,
} from './fixtures.ts';

const HASH = /^[0-9a-f]{64}$/;

/** The journal: what it holds, who hears of it, and that it amounts to the rows. */
export function testJournal(open: OpenHarness): void {
  it('holds one event per change, with the new values', () =>
    withStore(open, async ({ store }) => {
      const job = await accept(store, { principal: 'ann', prompt: 'p' });
      await completeNext(store);
      const events = await store.listEvents({ after: 0, jobId: job.id, limit: 100 });
      assert.deepEqual(
        events.map(({ kind, actor }) => `${kind} ${actor}`),
        [
          'job.accept ann',
          'job.claim boot_a',
          'attempt.intend boot_a',
          'job.launch boot_a',
          'attempt.finish owner',
          'job.complete owner',
        ],
      );
      const [made] = events;
      assert.deepEqual(
        [made?.data['state'], made?.data['promptSha256'], made?.data['number']],
        ['queued', job.promptSha256, 1],
      );
      const end = events.at(-1);
      const { finishedAt } = await reload(store, job);
      assert.deepEqual(end?.data, { state: 'completed', outcome: 'success', exitCode: 0, finishedAt, version: 4 });
      for (const event of events) {
        assert.match(event.hash, HASH);
        assert.deepEqual([event.subject, event.jobId], [job.id, job.id]);
      }
      const attempts = events.filter(({ kind }) => kind.startsWith('attempt.'));
      assert.equal(new Set(attempts.map(({ attemptId }) => attemptId)).size, 1);
    }));

  it('numbers events without a gap and lists them from any of them on', () =>
    withStore(open, async ({ store }) => {
      await Promise.all(
        Array.from({ length: 30 }, (_, i) =>
          store.acceptJob(newJob(i % 3 === 0 ? { prompt: '' } : {})).catch(() => null),
        ),
      );
      const last = await store.getLastSeq();
      assert.equal(last, 21, 'a refused request leaves no gap');
      const seqs = (await store.listEvents({ after: 0, limit: 100 })).map(({ seq }) => seq);
      assert.deepEqual(
        seqs,
        Array.from({ length: last }, (_, index) => index + 1),
      );
      assert.deepEqual(
        (await store.listEvents({ after: 5, limit: 3 })).map(({ seq }) => seq),
        [6, 7, 8],
      );
      assert.deepEqual(await store.listEvents({ after: last, limit: 3 }), []);
    }));

  it('tells listeners every event in order, after it can be read', () =>
    withStore(open, async ({ store }) => {
      const heard: JournalEvent[] = [];
      const unread: number[] = [];
      const stop = store.onCommit((events) => {
        heard.push(...events);
        const last = events.at(-1)?.seq ?? 0;
        void store.getLastSeq().then((seq) => seq < last && unread.push(last));
      });
      const from = await store.getLastSeq();
      await Promise.all(Array.from({ length: 150 }, () => accept(store)));
      await completeNext(store);
      stop();
      const until = await store.getLastSeq();
      await accept(store);
      await store.getLastSeq();
      assert.deepEqual(
        heard,
        await store.listEvents({ after: from, limit: 1000 }).then((all) => all.filter(({ seq }) => seq <= until)),
      );
      assert.equal(heard.length, 155);
      assert.deepEqual(unread, []);
    }));

  it('amounts to the rows: by the check of live work and by the one of everything', () =>
    withStore(open, async ({ store, reopen }) => {
      await store.recordBoot(newBoot('boot_a'));
      await store.addToken({ name: 'ci', sha256: 'd'.repeat(64) });
      for (let i = 0; i < 4; i++) await accept(store, { start: i !== 3, prompt: `prompt ${i}` });
      await completeNext(store);
      const { job, attempt } = await launchNext(store);
      await store.moveAttempt({ id: attempt.id, transition: 'attach', fence: job.fence, actor: 'owner' });
      await store.requestCancel(job.id, 'ann');
      await store.acquireLock({
        key: 'repo:app',
        boot: 'boot_a',
        holder: { pid: 1, start: '1' },
        operation: 'op',
        jobId: job.id,
      });
      await claimNext(store);
      // Jobs, without those that only wait; a repository, a start and a token; a lock.
      const [live, all] = [2 + 3 + 1, 4 + 3 + 1];
      assert.deepEqual(await store.checkLive(), { checked: live, corrupt: [], witness: null });
      assert.deepEqual(await store.checkDeep(), { checked: all, corrupt: [], witness: null });
      const again = await reopen();
      assert.deepEqual(await again.checkLive(), { checked: live, corrupt: [], witness: null });
      assert.deepEqual(await again.checkDeep(), { checked: all, corrupt: [], witness: null });
    }));

  it('goes on working while everything is being checked', () =>
    withStore(open, async ({ store }) => {
      await Promise.all(Array.from({ length: 100 }, () => accept(store)));
      const [check] = await Promise.all([store.checkDeep(), ...Array.from({ length: 100 }, () => accept(store))]);
      assert.deepEqual(check.corrupt, []);
      assert.ok(check.checked >= 101);
    }));
}
