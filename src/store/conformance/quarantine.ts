import assert from 'node:assert/strict';
import { it } from 'node:test';
import { accept, claimNext, completeNext, reload, withStore, type OpenHarness } from './fixtures.ts';
import { rejectsWith } from './rejects.ts';

const FOUND = { kind: 'exit', item: 'jobs/a/attempts/1/exit.json', path: '/h/exit.json', why: 'torn', jobId: null };

/** What is set aside: once, by name, until somebody releases it. */
export function testQuarantine(open: OpenHarness): void {
  it('sets a thing aside once, and anew when it is damaged otherwise after its release', () =>
    withStore(open, async ({ store }) => {
      const [first] = await store.addQuarantine([FOUND], 'boot_1');
      assert.equal(first?.isNew, true);
      const again = await store.addQuarantine([FOUND, { ...FOUND, why: 'gone' }], 'boot_2');
      assert.deepEqual(
        again.map((one) => one.isNew),
        [false, false],
      );
      assert.equal(again[0]?.item.id, first?.item.id);
      assert.equal(again[0]?.item.boot, 'boot_1');
      assert.equal(await store.countQuarantine(), 1);
      await store.releaseQuarantine(first?.item.id ?? '', 'ann');
      const [same, other] = await store.addQuarantine([FOUND, { ...FOUND, why: 'gone' }], 'boot_3');
      assert.deepEqual([same?.isNew, other?.isNew], [false, true]);
      assert.notEqual(same?.item.releasedAt, null);
      assert.equal(await store.countQuarantine(), 1);
      assert.deepEqual((await store.checkDeep()).corrupt, []);
    }));

  it('lists in pages and by job, and what is released only when asked', () =>
    withStore(open, async ({ store }) => {
      const job = await accept(store);
      const many = Array.from({ length: 5 }, (_, n) => ({
        ...FOUND,
        item: `${n}`,
        why: `${n}`,
        jobId: n === 3 ? job.id : null,
      }));
      const added = await store.addQuarantine(many, 'boot_1');
      const one = await store.listQuarantine({ jobId: job.id });
      assert.deepEqual(one.items, [added[3]?.item]);
      const page = await store.listQuarantine({ limit: 3 });
      assert.equal(page.items.length, 3);
      assert.ok(page.nextCursor !== null);
      const rest = await store.listQuarantine({ limit: 3, cursor: page.nextCursor });
      assert.deepEqual([rest.items.length, rest.nextCursor], [2, null]);
      const [taken] = page.items;
      const id = taken?.id ?? '';
      const released = await store.releaseQuarantine(id, 'ann');
      assert.deepEqual([released.resolution, released.releasedBy], ['accepted', 'ann']);
      assert.deepEqual(await store.releaseQuarantine(id, 'bob'), released, 'once');
      assert.deepEqual(await store.getQuarantine(id), released);
      assert.equal((await store.listQuarantine({})).items.length, 4);
      assert.equal((await store.listQuarantine({ released: true })).items.length, 5);
      const same = await store.addQuarantine(
        many.filter((entry) => entry.why === taken?.why),
        'boot_2',
      );
      assert.notEqual(same[0]?.item.releasedAt, null, 'what was released stays released');
      await rejectsWith('not-found', store.releaseQuarantine('quar_none', 'ann'));
      assert.deepEqual((await store.checkDeep()).corrupt, []);
    }));

  it('puts a quarantined job back under a new epoch, and no other', () =>
    withStore(open, async ({ store }) => {
      const job = await accept(store);
      await rejectsWith('state-conflict', store.releaseJob(job.id, 'ann'));
      const claimed = await claimNext(store);
      const set = { reason: 'record_corrupt' as const, blocker: 'its record is damaged' };
      await store.moveJob({ id: job.id, transition: 'quarantine', fence: claimed.fence, set, actor: 'recovery' });
      const back = await store.releaseJob(job.id, 'ann');
      assert.deepEqual([back.state, back.epoch, back.blocker], ['queued', 2, null]);
      await completeNext(store);
      assert.equal((await reload(store, job)).state, 'completed');
      await rejectsWith('state-conflict', store.releaseJob(job.id, 'ann'));
      await rejectsWith('job-not-found', store.releaseJob('job_none', 'ann'));
      assert.deepEqual((await store.checkDeep()).corrupt, []);
    }));

  it('checks all history in slices and ends when it is told to', () =>
    withStore(open, async ({ store }) => {
      for (let n = 0; n < 3; n++) {
        await accept(store, { prompt: `p${n}` });
        await completeNext(store);
      }
      const checked: Record<string, number> = {};
      await store.scrub((slice) => {
        assert.deepEqual(slice.corrupt, []);
        for (const [kind, count] of Object.entries(slice.checked)) checked[kind] = (checked[kind] ?? 0) + count;
      }, new AbortController().signal);
      assert.equal(checked['job'], 3);
      assert.equal(checked['prompt'], 3);
      assert.equal(checked['repository'], 1);
      const stopped = new AbortController();
      stopped.abort();
      await store.scrub(() => assert.fail('it was stopped'), stopped.signal);
    }));
}
