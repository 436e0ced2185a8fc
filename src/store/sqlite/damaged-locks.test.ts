/** A damaged lock is told as such, and not as damage of the job or repository in whose chain it is. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DatabaseSync } from 'node:sqlite';
import { accept, claimNext, newRepository, reload } from '../conformance/fixtures.ts';
import { rejectsWith } from '../conformance/rejects.ts';
import { makeScratch, startStore } from './harness.fixture.ts';

const DAMAGES: { name: string; sql: string; why: RegExp; unreadable: boolean }[] = [
  {
    name: 'holder without JSON',
    sql: `UPDATE locks SET holder = '{"pid":'`,
    why: /cannot be read|not a process/,
    unreadable: true,
  },
  {
    name: 'holder of nonsense',
    sql: `UPDATE locks SET holder = '{"pid":"x"}'`,
    why: /not a process/,
    unreadable: true,
  },
  { name: 'no operation', sql: `UPDATE locks SET operation = ''`, why: /no operation/, unreadable: true },
  { name: 'another holder', sql: `UPDATE locks SET operation = 'else'`, why: /operation differ/, unreadable: false },
  { name: 'another job', sql: `UPDATE locks SET job_id = NULL`, why: /does not know it/, unreadable: false },
  { name: 'no row', sql: `DELETE FROM locks`, why: /the table does not/, unreadable: false },
];

describe('damaged locks', () => {
  for (const { name, sql, why, unreadable } of DAMAGES) {
    it(`are found and cleared: ${name}`, async () => {
      using scratch = makeScratch();
      const lock = { boot: 'boot_a', holder: { pid: 1, start: '1' }, operation: 'op' };
      let jobId = '';
      {
        await using store = await startStore({ path: scratch.path });
        await store.addRepository(newRepository());
        await store.addRepository(newRepository({ name: 'lib' }));
        jobId = (await accept(store)).id;
        await claimNext(store);
        await store.acquireLock({ ...lock, key: 'repo:app', jobId });
      }
      const database = new DatabaseSync(scratch.path);
      database.exec(`PRAGMA ignore_check_constraints = ON; ${sql}`);
      database.close();
      await using store = await startStore({ path: scratch.path });
      for (const check of [await store.checkLive(), await store.checkDeep()]) {
        const locks = check.corrupt.filter(({ kind }) => kind === 'lock');
        assert.deepEqual([...new Set(locks.map(({ id }) => id))], ['repo:app'], JSON.stringify(check.corrupt));
        assert.match(locks.map((one) => one.why).join(), why);
        assert.deepEqual(
          check.corrupt.filter(({ kind }) => kind !== 'lock' && kind !== 'table'),
          [],
        );
      }
      if (unreadable) {
        assert.deepEqual(await store.listLocks(), []);
        await rejectsWith('lock-damaged', store.acquireLock({ ...lock, operation: 'other', key: 'repo:app', jobId }));
      }
      assert.ok((await store.acquireLock({ ...lock, key: 'repo:lib', jobId: null })) !== null, 'others go on');
      const seen = (await store.listLocks()).find(({ key }) => key === 'repo:app')?.fence ?? null;
      await store.clearLock({ key: 'repo:app', seen, actor: 'ann' });
      assert.deepEqual([await store.listDamagedLocks(), (await store.checkDeep()).corrupt], [[], []]);
      assert.ok((await store.acquireLock({ ...lock, key: 'repo:app', jobId })) !== null);
      assert.equal((await reload(store, { id: jobId })).state, 'preparing');
    });
  }
});
