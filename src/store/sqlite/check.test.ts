/** The checks find every kind of tampering and damage, and name the record; what they find blocks nobody else. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DatabaseSync } from 'node:sqlite';
import type { StoreCheck } from '../store.ts';
import { accept, claimNext, completeNext, newBoot, newRepository, reload } from '../conformance/fixtures.ts';
import { makeScratch, startStore } from './harness.fixture.ts';
import { closeDatabase, openDatabase } from './open.ts';

interface Subjects {
  ended: string;
  live: string;
}

/** Leaves a store with an ended job, a claimed one and a removed repository. */
async function fillAt(path: string): Promise<Subjects> {
  await using store = await startStore({ path });
  await store.addRepository(newRepository());
  await store.addRepository(newRepository({ name: 'gone' }));
  await store.removeRepository('gone', 'local');
  for (const id of await store.listRemovals()) await store.finishRemoval(id);
  await store.recordBoot(newBoot('boot_1'));
  await store.addAccount({ name: 'ann', secret: 'secret', actor: 'local' });
  const ended = await accept(store, { prompt: 'first' });
  await completeNext(store);
  const live = await accept(store, { prompt: 'second' });
  await claimNext(store);
  return { ended: ended.id, live: live.id };
}

/** Fills a store, tampers with its closed file, opens it again, and looks. */
async function lookAfter(
  tamper: (subjects: Subjects) => string,
): Promise<{ live: StoreCheck; deep: StoreCheck; scrubbed: StoreCheck['corrupt']; subjects: Subjects }> {
  using scratch = makeScratch();
  const subjects = await fillAt(scratch.path);
  const database = new DatabaseSync(scratch.path);
  database.exec('PRAGMA foreign_keys = OFF');
  database.exec(tamper(subjects));
  database.close();
  await using store = await startStore({ path: scratch.path });
  const scrubbed: StoreCheck['corrupt'] = [];
  await store.scrub((slice) => scrubbed.push(...slice.corrupt), new AbortController().signal);
  const checks = { live: await store.checkLive(), deep: await store.checkDeep(), scrubbed, subjects };
  assert.ok((await store.listJobs({})).items.length > 0, 'what is damaged stays readable');
  assert.ok((await store.listBoots()).length > 0);
  assert.equal((await accept(store, { prompt: 'third' })).state, 'queued', 'work goes on beside it');
  return checks;
}

/** What is changed, how it is told, and whether it concerns live work. */
const TAMPERINGS: {
  name: string;
  sql: (subjects: Subjects) => string;
  of: (subjects: Subjects) => string;
  why: RegExp;
  live: boolean;
}[] = [
  {
    name: 'a field of a live job',
    sql: ({ live }) => `UPDATE jobs SET priority = 7 WHERE id = '${live}'`,
    of: ({ live }) => live,
    why: /priority differ/,
    live: true,
  },
  {
    name: 'the outcome of an ended job',
    sql: ({ ended }) => `UPDATE jobs SET state = 'failed', outcome = 'failure' WHERE id = '${ended}'`,
    of: ({ ended }) => ended,
    why: /state, outcome differ/,
    live: false,
  },
  {
    name: 'the exit code of an attempt',
    sql: ({ ended }) => `UPDATE attempts SET exit_code = 1 WHERE job_id = '${ended}'`,
    of: ({ ended }) => ended,
    why: /attempt att_\w+: exitCode differ/,
    live: false,
  },
  {
    name: 'the data of an event and the row with it',
    sql: ({ live }) =>
      `UPDATE events SET data = replace(data, '"priority":0', '"priority":7') WHERE subject = '${live}';
       UPDATE jobs SET priority = 7 WHERE id = '${live}'`,
    of: ({ live }) => live,
    why: /event \d+ does not match its hash/,
    live: true,
  },
  {
    name: 'an event out of the middle of a chain',
    sql: ({ ended }) => `DELETE FROM events WHERE subject = '${ended}' AND kind = 'job.launch'`,
    of: ({ ended }) => ended,
    why: /does not follow the one before it/,
    live: false,
  },
  {
    name: 'the head of a chain',
    sql: ({ live }) => `UPDATE jobs SET head = '${'0'.repeat(64)}' WHERE id = '${live}'`,
    of: ({ live }) => live,
    why: /its row does not hold the end of its chain/,
    live: true,
  },
  {
    name: 'a row that is gone',
    sql: ({ ended }) => `DELETE FROM attempts; DELETE FROM jobs WHERE id = '${ended}'`,
    of: ({ ended }) => ended,
    why: /its row is missing; job job_\w+: the journal knows it, the table does not/,
    live: false,
  },
  {
    name: 'a row nobody wrote',
    sql: () => `INSERT INTO tokens VALUES ('tok_x', 'x', '${'f'.repeat(64)}', 1, NULL, 'h', NULL, NULL, NULL)`,
    of: () => 'tokens',
    why: /holds 1 rows, the journal accounts for 0/,
    live: false,
  },
  {
    name: 'the text of a prompt of a live job',
    sql: () => `UPDATE prompts SET body = 'sec0nd' WHERE body = 'second'`,
    of: ({ live }) => live,
    why: /prompt does not match its hash/,
    live: true,
  },
  {
    name: 'the secret of an account',
    sql: () => `UPDATE account_secrets SET secret = 'another'`,
    of: () => 'acc_',
    why: /its secret does not match its checksum/,
    live: true,
  },
  {
    name: 'the tombstone of a removed repository',
    sql: () => `DELETE FROM tombstones`,
    of: () => 'repo_',
    why: /its tombstone does not hold the end of its chain/,
    live: false,
  },
  {
    name: 'a counter',
    sql: () => `UPDATE counters SET value = 3 WHERE name = 'state:completed'`,
    of: () => 'completed',
    why: /says 3 jobs, there are 1/,
    live: false,
  },
  {
    name: 'a counter of numbers already given',
    sql: () => `UPDATE counters SET value = 1 WHERE name = 'queueSeq'`,
    of: () => 'queueSeq',
    why: /sa(id|ys) 1,/,
    live: true,
  },
  {
    name: 'when a removed repository was removed',
    sql: () => `UPDATE tombstones SET removed_at = removed_at + 64 WHERE subject LIKE 'repo_%'`,
    of: () => 'repo_',
    why: /tombstone does not say when/,
    live: false,
  },
  {
    name: 'a start whose report is no JSON any more',
    sql: () => `PRAGMA ignore_check_constraints = ON; UPDATE boots SET report = '{"bootId":'`,
    of: () => 'boot_1',
    why: /report differ/,
    live: true,
  },
  {
    name: 'a number too large for one',
    sql: ({ ended }) => `UPDATE jobs SET output_bytes = 4611686018427387904 WHERE id = '${ended}'`,
    of: ({ ended }) => ended,
    why: /outputBytes differ/,
    live: false,
  },
  {
    name: 'limits of an ended job that are no JSON any more',
    sql: ({ ended }) =>
      `PRAGMA ignore_check_constraints = ON; UPDATE jobs SET limits = '{"wallMs' WHERE id = '${ended}'`,
    of: ({ ended }) => ended,
    why: /limits differ/,
    live: false,
  },
];

describe('checks of the sqlite store', () => {
  for (const { name, sql, of, why, live } of TAMPERINGS) {
    it(`find ${name}`, async () => {
      const seen = await lookAfter(sql);
      const expected = of(seen.subjects);
      const found = seen.deep.corrupt.filter(({ id, why: said }) => id.startsWith(expected) && why.test(said));
      if (name.startsWith('the text of a prompt')) {
        assert.match(seen.deep.corrupt.map((one) => `${one.kind} ${one.why}`).join(), /prompt its text does not match/);
      } else {
        assert.equal(found.length, 1, JSON.stringify(seen.deep));
      }
      const alive = seen.live.corrupt.filter(({ id, why: said }) => id.startsWith(expected) && why.test(said));
      assert.equal(alive.length, live ? 1 : 0, JSON.stringify(seen.live));
      assert.ok(seen.scrubbed.length > 0, 'the scrub missed it');
    });
  }

  it('find nothing where nothing is wrong', async () => {
    const { live, deep } = await lookAfter(() => 'SELECT 1');
    assert.deepEqual(live, { checked: 4, corrupt: [], witness: null });
    assert.deepEqual(deep, { checked: 6, corrupt: [], witness: null });
  });

  it('find a transition the table does not know, however well it is hashed', async () => {
    using scratch = makeScratch();
    const { ended } = await fillAt(scratch.path);
    const { appendEvent } = await import('./journal.ts');
    const open = openDatabase(scratch.path);
    open.sql.run('BEGIN');
    const head = String(open.sql.get('SELECT head FROM jobs WHERE id = $1', ended)?.['head']);
    const { sql, counters, jobs, attempts } = open;
    const session = { sql, counters, jobs, attempts, inheritedThrough: 0, at: 1, events: [] };
    const event = {
      actor: 'x',
      kind: 'job.launch',
      subject: ended,
      jobId: ended,
      attemptId: null,
      data: { state: 'running' },
    };
    sql.run(
      `UPDATE jobs SET state = 'running', outcome = NULL, finished_at = NULL, head = $1 WHERE id = $2`,
      appendEvent(session, event, head),
      ended,
    );
    counters.save();
    sql.run('COMMIT');
    closeDatabase(open);
    await using store = await startStore({ path: scratch.path });
    assert.equal((await reload(store, { id: ended })).state, 'running');
    const { corrupt } = await store.checkLive();
    assert.match(corrupt.find(({ id }) => id === ended)?.why ?? '', /makes launch of a job that is completed/);
  });

  it('run on connections that flush every commit', () => {
    using scratch = makeScratch();
    const open = openDatabase(scratch.path);
    const pragma = (name: string): unknown => Object.values(open.sql.get(`PRAGMA ${name}`) ?? {})[0];
    assert.deepEqual(
      ['journal_mode', 'synchronous', 'foreign_keys', 'wal_autocheckpoint'].map(pragma),
      ['wal', 2, 1, 0],
      'synchronous must be FULL (2): NORMAL loses acknowledged jobs at a power cut',
    );
    closeDatabase(open);
  });
});

describe('what is quarantined in the store', () => {
  it('is restored from its journal when that is whole, and accepted as it is when it is not', async () => {
    using scratch = makeScratch();
    const { ended, live } = await fillAt(scratch.path);
    const database = new DatabaseSync(scratch.path);
    database.exec(
      `UPDATE jobs SET exit_code = 9 WHERE id = '${ended}'; DELETE FROM attempts WHERE job_id = '${ended}'`,
    );
    database.exec(`UPDATE events SET actor = 'nobody' WHERE subject = '${live}'`);
    database.exec(`UPDATE counters SET value = 7 WHERE name = 'state:completed'`);
    database.close();
    await using store = await startStore({ path: scratch.path });
    const corrupt = (await store.checkDeep()).corrupt.filter((one) => one.kind === 'job' || one.kind === 'counter');
    const found = corrupt.map(({ kind, id, why }) => ({ kind, item: id, path: scratch.path, why, jobId: null }));
    const items = (await store.addQuarantine(found, 'boot_1')).map((one) => one.item);
    const resolutions = new Map<string, string | null>();
    for (const item of items) resolutions.set(item.item, (await store.releaseQuarantine(item.id, 'ann')).resolution);
    assert.equal(resolutions.get(ended), 'restored');
    assert.equal(resolutions.get(live), 'accepted');
    assert.equal(resolutions.get('completed'), 'recounted');
    assert.notEqual((await store.getJob(ended))?.exitCode, 9);
    assert.equal((await store.listAttempts(ended)).length, 1);
    assert.equal((await store.countJobsByState()).completed, 1);
    const left = (await store.checkDeep()).corrupt;
    assert.deepEqual(
      left.map((one) => one.id),
      [live],
    );
  });

  it('is made anew where it is a copy of other rows, and restored where it is a row of its own', async () => {
    using scratch = makeScratch();
    const store = await startStore({ path: scratch.path });
    await store.addRepository(newRepository());
    await store.addRepository(newRepository({ name: 'lib' }));
    const job = await accept(store, { others: ['lib'], start: false });
    const account = await store.addAccount({ name: 'ann', secret: 'salted', actor: 'local' });
    await store.stop();
    const database = new DatabaseSync(scratch.path);
    database.exec(`DELETE FROM job_others; INSERT INTO job_others VALUES ('app', 99)`);
    database.exec(`UPDATE accounts SET name = 'eve'`);
    database.close();
    await using again = await startStore({ path: scratch.path });
    const { corrupt } = await again.checkDeep();
    assert.deepEqual(
      corrupt.map(({ kind, id }) => [kind, id]),
      [
        ['account', account.id],
        ['index', 'job_others'],
      ],
    );
    assert.match(corrupt[1]?.why ?? '', /1 entries are missing, 1 are of no job/);
    const found = corrupt.map(({ kind, id, why }) => ({ kind, item: id, path: scratch.path, why, jobId: null }));
    for (const { item } of await again.addQuarantine(found, 'boot_1')) await again.releaseQuarantine(item.id, 'ann');
    assert.deepEqual((await again.checkDeep()).corrupt, []);
    assert.deepEqual(
      (await again.listJobs({ repository: 'lib' })).items.map(({ id }) => id),
      [job.id],
    );
    assert.equal((await again.listAccounts())[0]?.name, 'ann');
  });
});
