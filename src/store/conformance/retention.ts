import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Job } from '../../lifecycle/job.ts';
import { accept, completeNext, reload, withStore, type OpenHarness } from './fixtures.ts';
import { rejectsWith } from './rejects.ts';
import type { EndedJob, EndedQuery } from '../retention-store.ts';

function ended(job: Job): EndedJob {
  assert.ok(job.finishedAt !== null);
  return { id: job.id, finishedAt: job.finishedAt, actor: 'retention' };
}

/** What goes by age. */
export function testRetention(open: OpenHarness): void {
  it('lists what ended before a time, oldest first, page by page, and what of it has a workspace', () =>
    withStore(open, async ({ store }) => {
      for (let n = 0; n < 5; n++) await accept(store);
      const jobs: Job[] = [];
      for (let n = 0; n < 4; n++) jobs.push(await completeNext(store));
      const [first, second] = jobs;
      assert.ok(first !== undefined && second !== undefined);
      await store.noteJob({ id: second.id, fence: second.fence, set: { workspaceState: 'ready' }, actor: 'a' });
      const numbers = async (query: Pick<EndedQuery, 'before' | 'workspaces'>): Promise<number[][]> => {
        const pages: number[][] = [];
        for (let after: EndedQuery['after'] = null; ;) {
          const page: Job[] = await store.listEnded({ ...query, after, limit: 3 });
          const last = page.at(-1);
          if (last === undefined || last.finishedAt === null) return pages;
          pages.push(page.map(({ number }) => number));
          after = { finishedAt: last.finishedAt, number: last.number };
        }
      };
      const before = Math.max(...jobs.map(({ finishedAt }) => finishedAt ?? 0)) + 1;
      assert.deepEqual(await numbers({ before, workspaces: false }), [[1, 2, 3], [4]]);
      assert.deepEqual(await numbers({ before, workspaces: true }), [[2]]);
      assert.deepEqual(await numbers({ before: first.finishedAt ?? 0, workspaces: false }), []);
    }));

  it('takes the workspace of an ended job in two steps, each once, told in the journal', () =>
    withStore(open, async ({ store, reopen }) => {
      const { id } = await accept(store);
      const job = await completeNext(store);
      await store.noteJob({ id, fence: job.fence, set: { workspaceState: 'ready' }, actor: 'a' });
      await rejectsWith('state-conflict', store.endRetirement(ended(job)));
      const begun = await store.beginRetirement(ended(job));
      assert.deepEqual([begun.workspaceState, begun.workspaceRemovedAt === null], ['preparing', false]);
      assert.deepEqual(await store.beginRetirement(ended(job)), begun, 'said again, it changes nothing');
      assert.deepEqual(await store.listRetirements(9), [begun]);
      const done = await store.endRetirement(ended(job));
      assert.deepEqual([done.workspaceState, done.workspaceRemovedAt], ['none', begun.workspaceRemovedAt]);
      assert.deepEqual(await store.endRetirement(ended(job)), done);
      assert.deepEqual(await store.listRetirements(9), []);
      const before = (done.finishedAt ?? 0) + 1;
      assert.deepEqual(await store.listEnded({ before, workspaces: true, after: null, limit: 9 }), []);
      const told = (await store.listEvents({ after: 0, jobId: id, limit: 50 })).slice(-2);
      assert.deepEqual(
        told.map(({ kind, actor }) => [kind, actor]),
        [
          ['job.retire', 'retention'],
          ['job.retired', 'retention'],
        ],
      );
      assert.deepEqual((await (await reopen()).checkDeep()).corrupt, []);
    }));

  it('leaves whatever has not ended, or has ended again since it was looked at', () =>
    withStore(open, async ({ store }) => {
      const { id } = await accept(store);
      const finishedAt = 1;
      for (const take of [
        () => store.beginRetirement({ id, finishedAt, actor: 'retention' }),
        () => store.removeJob({ id, finishedAt, actor: 'retention' }),
      ])
        await rejectsWith('state-conflict', take());
      await store.requestCancel(id, 'a');
      const first = await reload(store, { id });
      const begun = await store.beginRetirement(ended(first));
      await store.moveJob({ id, transition: 'retry', fence: null, actor: 'ann' });
      const seq = await store.getLastSeq();
      for (const take of [
        () => store.beginRetirement(ended(first)),
        () => store.endRetirement(ended(first)),
        () => store.removeJob(ended(first)),
      ])
        await rejectsWith('state-conflict', take());
      assert.equal(await store.getLastSeq(), seq, 'nothing of it was kept');
      assert.deepEqual(await store.listRetirements(9), []);
      const queued = await reload(store, { id });
      // Whoever makes its workspace again must know that it was taken.
      assert.equal(queued.workspaceRemovedAt, begun.workspaceRemovedAt);
    }));

  it('refuses what was removed', () =>
    withStore(open, async ({ store }) => {
      const { id } = await accept(store);
      const job = await completeNext(store);
      await store.removeJob(ended(job));
      assert.equal((await store.findTombstone(id))?.number, job.number);
      await rejectsWith('gone', store.beginRetirement(ended(job)));
      await rejectsWith('gone', store.removeJob(ended(job)));
    }));
}
