import assert from 'node:assert/strict';
import { it } from 'node:test';
import { MAX_OPEN_RESOURCES } from '../../lifecycle/resource.ts';
import type { NewResource } from '../resource-store.ts';
import { accept, withStore, type OpenHarness } from './fixtures.ts';
import { rejectsWith } from './rejects.ts';

function newResource(jobId: string, engineId = 'a'): NewResource {
  const facts = { engineId };
  return { jobId, kind: 'container', target: 'db', facts, identity: engineId, principal: `job:${jobId}` };
}

/** External resources: who answers for what, and how far its removal has come. */
export function testResources(open: OpenHarness): void {
  it('registers a resource once, for one job, while the job has not ended', () =>
    withStore(open, async ({ store }) => {
      const [job, other] = [await accept(store), await accept(store)];
      const made = await store.addResource(newResource(job.id));
      assert.deepEqual([made.state, made.tries, made.facts, made.version], ['registered', 0, { engineId: 'a' }, 1]);
      const seq = await store.getLastSeq();
      assert.deepEqual(await store.addResource(newResource(job.id)), made);
      assert.equal(await store.getLastSeq(), seq);
      await rejectsWith('already-exists', store.addResource(newResource(other.id)));
      await store.requestCancel(other.id, 'local');
      await rejectsWith('state-conflict', store.addResource(newResource(other.id, 'b')));
      await rejectsWith('job-not-found', store.addResource(newResource('job_none', 'b')));
      assert.deepEqual(await store.getResource(made.id), made);
      assert.equal(await store.getResource('res_none'), null);
    }));

  it('removes it through intent and record, again after a failure, and then gives its name free', () =>
    withStore(open, async ({ store, reopen }) => {
      const job = await accept(store);
      const { id } = await store.addResource(newResource(job.id));
      const move = { id, note: null, actor: 'server' };
      await rejectsWith('state-conflict', store.moveResource({ ...move, transition: 'finish' }));
      await rejectsWith('state-conflict', store.moveResource({ ...move, transition: 'begin', onlyEnded: true }));
      assert.deepEqual(await store.listDueResources(), []);
      await store.requestCancel(job.id, 'local');
      assert.deepEqual(
        (await store.listDueResources()).map((one) => one.id),
        [id],
      );
      const begun = await store.moveResource({ ...move, transition: 'begin', onlyEnded: true });
      assert.deepEqual([begun.state, begun.tries], ['removing', 1]);
      await store.moveResource({ ...move, transition: 'begin' });
      await store.moveResource({ ...move, transition: 'fail', note: 'the engine does not answer' });
      assert.deepEqual(await store.countResources(), { registered: 0, removing: 0, failed: 1 });
      const stored = await reopen();
      const again = await stored.moveResource({ ...move, transition: 'begin' });
      assert.deepEqual([again.state, again.tries], ['removing', 3]);
      const gone = await stored.moveResource({ ...move, transition: 'finish' });
      assert.ok(gone.removedAt !== null);
      await rejectsWith('state-conflict', stored.moveResource({ ...move, transition: 'begin' }));
      assert.deepEqual(await stored.listDueResources(), []);
      assert.deepEqual((await stored.listResources({ jobId: job.id, limit: 9 })).items, [gone]);
      assert.deepEqual((await stored.listResources({ limit: 9 })).items, []);
      await stored.addResource(newResource((await accept(stored)).id));
      assert.deepEqual((await stored.checkDeep()).corrupt, []);
    }));

  it('forgets one without a removal, and lists in pages', () =>
    withStore(open, async ({ store }) => {
      const job = await accept(store);
      const all = [];
      for (const name of ['a', 'b', 'c']) all.push(await store.addResource(newResource(job.id, name)));
      const [first] = all;
      const ids = all.map(({ id }) => id).toSorted();
      const page = await store.listResources({ limit: 2 });
      const rest = await store.listResources({
        limit: 2,
        ...(page.nextCursor === null ? {} : { cursor: page.nextCursor }),
      });
      assert.deepEqual(
        [...page.items, ...rest.items].map(({ id }) => id),
        ids,
      );
      assert.equal(rest.nextCursor, null);
      const move = { id: first?.id ?? '', note: null, actor: 'local', transition: 'forget' } as const;
      assert.deepEqual((await store.moveResource(move)).state, 'removed');
      assert.deepEqual(await store.countResources(), { registered: 2, removing: 0, failed: 0 });
    }));

  it('bounds what one job can leave behind', () =>
    withStore(open, async ({ store }) => {
      const job = await accept(store);
      await Promise.all(
        Array.from({ length: MAX_OPEN_RESOURCES }, (_, index) => store.addResource(newResource(job.id, String(index)))),
      );
      await rejectsWith('bad-request', store.addResource(newResource(job.id, 'one more')));
    }));
}
