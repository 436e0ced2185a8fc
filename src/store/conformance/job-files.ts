import assert from 'node:assert/strict';
import { it } from 'node:test';
import { accept, withStore, type OpenHarness } from './fixtures.ts';
import { rejectsWith } from './rejects.ts';

/** Files sent for a job before it starts. */
export function testJobFiles(open: OpenHarness): void {
  const one = { name: 'a.txt', sha256: 'a'.repeat(64), size: 10, overwrite: false, perJob: 100, actor: 'ann' };

  it('records a file once, replaces it by another of its name, and gives it back', () =>
    withStore(open, async ({ store, reopen }) => {
      const job = await accept(store, { start: false });
      const jobId = job.id;
      const first = await store.recordJobFile({ ...one, jobId });
      assert.equal(first.replaced, null);
      const seq = await store.getLastSeq();
      assert.deepEqual(await store.recordJobFile({ ...one, jobId }), { file: first.file, replaced: first.file });
      assert.equal(await store.getLastSeq(), seq, 'the same again writes nothing');
      const second = await store.recordJobFile({ ...one, jobId, sha256: 'b'.repeat(64) });
      assert.deepEqual(second.replaced, first.file);
      await store.recordJobFile({ ...one, jobId, name: 'Z' });
      const names = (await store.listJobFiles(jobId)).map(({ name }) => name);
      assert.deepEqual(names, ['Z', 'a.txt']);
      await rejectsWith('not-found', store.dropJobFile({ jobId, name: 'b', actor: 'ann' }));
      assert.deepEqual(await store.dropJobFile({ jobId, name: 'a.txt', actor: 'ann' }), second.file);
      const kinds = (await store.listEvents({ after: 0, jobId, limit: 10 })).map(({ kind }) => kind);
      assert.deepEqual(kinds, ['job.accept', 'file.record', 'file.record', 'file.record', 'file.drop']);
      const again = await reopen();
      assert.deepEqual(
        (await again.listJobFiles(jobId)).map(({ name }) => name),
        ['Z'],
      );
      assert.deepEqual((await again.checkDeep()).corrupt, []);
      assert.deepEqual((await again.checkLive()).corrupt, []);
    }));

  it('takes no more than the limit of a job, and nothing once it is queued', () =>
    withStore(open, async ({ store }) => {
      const { id: jobId } = await accept(store, { start: false });
      await store.recordJobFile({ ...one, jobId, size: 60 });
      await rejectsWith('payload-too-large', store.recordJobFile({ ...one, jobId, name: 'b', size: 41 }));
      await store.recordJobFile({ ...one, jobId, sha256: 'c'.repeat(64), size: 100 });
      await store.moveJob({ id: jobId, transition: 'start', fence: null, actor: 'ann' });
      await rejectsWith('state-conflict', store.recordJobFile({ ...one, jobId, name: 'c', size: 0 }));
      await rejectsWith('state-conflict', store.dropJobFile({ jobId, name: 'a.txt', actor: 'ann' }));
      await rejectsWith('job-not-found', store.recordJobFile({ ...one, jobId: 'job_none' }));
      assert.deepEqual(
        (await store.listJobFiles(jobId)).map(({ size }) => size),
        [100],
      );
    }));
}
