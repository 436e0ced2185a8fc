/** A job that an earlier server left waiting for others is verified before their end carries it on. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DatabaseSync } from 'node:sqlite';
import type { Job } from '../../lifecycle/job.ts';
import { accept, completeNext, newRepository, reload } from '../conformance/fixtures.ts';
import type { Store } from '../store.ts';
import { makeScratch, startStore } from './harness.fixture.ts';

interface Jobs {
  first: Job;
  second: Job;
  /** Comes after both. */
  damaged: Job;
  /** Comes after the first. */
  sound: Job;
}

/** Leaves two jobs that wait for others, tampers with the first behind the store's back, and opens what is then there. */
async function withDamage(
  sql: (jobs: Jobs) => string,
  body: (store: Store, jobs: Jobs, path: string) => Promise<void>,
): Promise<void> {
  using scratch = makeScratch();
  const jobs = await (async () => {
    await using store = await startStore({ path: scratch.path });
    await store.addRepository(newRepository());
    const [first, second] = [await accept(store), await accept(store)];
    const damaged = await accept(store, { after: [first.id, second.id] });
    return { first, second, damaged, sound: await accept(store, { after: [first.id] }) };
  })();
  const database = new DatabaseSync(scratch.path);
  database.exec(`PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON; ${sql(jobs)}`);
  database.close();
  await using store = await startStore({ path: scratch.path });
  const found = (await store.checkLive()).corrupt.filter(({ kind }) => kind === 'job');
  assert.deepEqual(found, [], 'the start does not look at what only waits');
  await body(store, jobs, scratch.path);
}

const DAMAGES: { name: string; sql: (jobs: Jobs) => string }[] = [
  {
    name: 'forgets one',
    sql: ({ first, damaged }) => `UPDATE jobs SET awaits = '["${first.id}"]' WHERE id = '${damaged.id}'`,
  },
  {
    name: 'has another command',
    sql: ({ damaged }) => `UPDATE jobs SET command = '["evil"]' WHERE id = '${damaged.id}'`,
  },
  { name: 'has a torn event', sql: ({ damaged }) => `UPDATE events SET actor = 'x' WHERE subject = '${damaged.id}'` },
];

describe('the end of a job', () => {
  for (const { name, sql } of DAMAGES) {
    it(`sets aside who waits for it and ${name}, and carries on the others`, () =>
      withDamage(sql, async (store, { first, damaged, sound }) => {
        assert.equal((await completeNext(store)).id, first.id);
        const job = await reload(store, damaged);
        assert.deepEqual([job.state, job.reason, job.queueSeq], ['quarantined', 'record_corrupt', null]);
        assert.equal((await reload(store, sound)).state, 'queued');
      }));
  }

  it('is recorded whatever the list of who waits for it holds', () =>
    withDamage(
      ({ damaged }) => `UPDATE jobs SET awaits = '["torn' WHERE id = '${damaged.id}'`,
      async (store, { first, damaged, sound }) => {
        assert.equal((await completeNext(store)).id, first.id);
        assert.equal((await reload(store, sound)).state, 'queued');
        await completeNext(store);
        assert.notEqual((await reload(store, damaged)).state, 'queued', 'it is found by the check of history');
        const { corrupt } = await store.checkDeep();
        assert.ok(corrupt.some(({ kind, id }) => kind === 'job' && id === damaged.id));
      },
    ));

  it('finds nobody without the index; whoever makes that anew carries them on', () =>
    withDamage(
      () => 'DELETE FROM job_after',
      async (store, { first, second, damaged, sound }, path) => {
        await completeNext(store);
        assert.equal((await reload(store, sound)).state, 'waiting');
        const { corrupt } = await store.checkDeep();
        assert.deepEqual(
          corrupt.map(({ kind, id, why }) => [kind, id, why]),
          [['index', 'job_after', '3 entries are missing, 0 are of no job']],
        );
        const found = corrupt.map(({ kind, id, why }) => ({ kind, item: id, path, why, jobId: null }));
        for (const { item } of await store.addQuarantine(found, 'boot_1'))
          await store.releaseQuarantine(item.id, 'ann');
        assert.equal((await reload(store, sound)).state, 'queued');
        assert.deepEqual((await reload(store, damaged)).awaits, [second.id]);
        assert.equal((await completeNext(store)).id, second.id);
        assert.equal((await reload(store, damaged)).state, 'queued');
        assert.notEqual((await reload(store, damaged)).after?.indexOf(first.id), -1);
        assert.deepEqual((await store.checkDeep()).corrupt, []);
      },
    ));
});
