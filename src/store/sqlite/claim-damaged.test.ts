/** A job that was waiting when the store was opened is verified when its turn comes: damaged, it is never handed out. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DatabaseSync } from 'node:sqlite';
import type { Job } from '../../lifecycle/job.ts';
import type { Store } from '../store.ts';
import { accept, newRepository, reload } from '../conformance/fixtures.ts';
import { makeScratch, startStore } from './harness.fixture.ts';

const claim = (store: Store): Promise<Job[]> => store.claimJobs({ boot: 'boot_b', hostLimit: 10, max: 10 });

/** Leaves two waiting jobs, tampers with the first behind the store's back, and opens what is then there. */
async function withDamage(
  sql: (id: string) => string,
  body: (store: Store, jobs: { damaged: Job; sound: Job }) => Promise<void>,
  others: string[] = [],
): Promise<void> {
  using scratch = makeScratch();
  const jobs = await (async () => {
    await using store = await startStore({ path: scratch.path });
    await store.addRepository(newRepository());
    await store.addRepository(newRepository({ name: 'lib' }));
    const damaged = await accept(store, { prompt: 'first', others });
    return { damaged, sound: await accept(store, { prompt: 'second' }) };
  })();
  const database = new DatabaseSync(scratch.path);
  database.exec(`PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON; ${sql(jobs.damaged.id)}`);
  database.close();
  await using store = await startStore({ path: scratch.path });
  const found = (await store.checkLive()).corrupt.filter(({ kind }) => kind === 'job');
  assert.deepEqual(found, [], 'the start does not look at what only waits');
  await body(store, jobs);
}

const DAMAGES: { name: string; sql: (id: string) => string; why: RegExp }[] = [
  {
    name: 'its command',
    sql: (id) => `UPDATE jobs SET command = '["sh","-c","evil"]' WHERE id = '${id}'`,
    why: /command differ/,
  },
  {
    name: 'an event of its chain',
    sql: (id) => `UPDATE events SET actor = 'nobody' WHERE subject = '${id}'`,
    why: /does not match its hash/,
  },
  {
    name: 'the text of its prompt',
    sql: () => `UPDATE prompts SET body = 'evil' WHERE body = 'first'`,
    why: /prompt does not match its hash/,
  },
  { name: 'a prompt that is gone', sql: () => `DELETE FROM prompts WHERE body = 'first'`, why: /prompt is missing/ },
  {
    name: 'a number beyond all that were given',
    sql: (id) => `UPDATE jobs SET number = 4000, agent = 'exec' WHERE id = '${id}'`,
    why: /number.* differ|agent.* differ/,
  },
];

describe('a claim', () => {
  for (const { name, sql, why } of DAMAGES) {
    it(`sets a waiting job aside that is damaged, and hands out the next: ${name}`, () =>
      withDamage(sql, async (store, { damaged, sound }) => {
        const claimed = await claim(store);
        const states = new Map(claimed.map((job) => [job.id, job.state]));
        assert.deepEqual([states.get(damaged.id), states.get(sound.id)], ['quarantined', 'preparing']);
        const job = await reload(store, damaged);
        assert.deepEqual([job.state, job.reason, job.fence], ['quarantined', 'record_corrupt', 0]);
        assert.match(job.blocker ?? '', /its record in the store is damaged: /);
        assert.match(job.blocker ?? '', why);
        assert.deepEqual(await claim(store), []);
      }));
  }

  it('leaves the others of the line claimable where damage hides what a job needs', async () => {
    for (const others of ['{"lib', '{"a":1}', '[7]', '["lib","none"]']) {
      await withDamage(
        (id) => `UPDATE jobs SET others = '${others}' WHERE id = '${id}'`,
        async (store, { damaged, sound }) => {
          const claimed = await claim(store);
          assert.equal(claimed.find(({ id }) => id === sound.id)?.state, 'preparing', others);
          // A repository nobody registered keeps it waiting: the check of history sets it aside.
          if (!others.includes('none')) assert.equal((await reload(store, damaged)).state, 'quarantined', others);
          const later = await accept(store, { prompt: 'third' });
          assert.equal((await claim(store)).find(({ id }) => id === later.id)?.state, 'preparing', others);
        },
        ['lib'],
      );
    }
  });

  it('never hands out a job that waits and has an ending', () =>
    withDamage(
      (id) => `UPDATE jobs SET outcome = 'success', finished_at = 5 WHERE id = '${id}'`,
      async (store, { damaged, sound }) => {
        const claimed = await claim(store);
        assert.deepEqual(
          claimed.map((job) => job.id),
          [sound.id],
        );
        const found: string[] = [];
        await store.scrub(
          (slice) => found.push(...slice.corrupt.filter(({ kind }) => kind === 'job').map(({ id }) => id)),
          new AbortController().signal,
        );
        assert.deepEqual(found, [damaged.id]);
      },
    ));

  it('does not verify what this server wrote itself', () =>
    withDamage(
      () => 'SELECT 1',
      async (store, { damaged }) => {
        assert.equal((await claim(store)).length, 2);
        const fresh = await accept(store, { prompt: 'fresh' });
        assert.ok(fresh.number > damaged.number);
        assert.equal((await claim(store))[0]?.state, 'preparing');
        assert.deepEqual((await store.checkDeep()).corrupt, []);
      },
    ));
});
