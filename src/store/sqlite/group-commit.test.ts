/** Groups: one refusal spoils none, a full disk takes back all of them, an unknown outcome answers nobody. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { armFailpoints } from '../../kernel/failpoints.ts';
import type { Job } from '../../lifecycle/job.ts';
import type { Boot } from '../store.ts';
import { newBoot, newJob, newRepository } from '../conformance/fixtures.ts';
import { checkDatabase } from './check-deep.ts';
import { FatalError, commitGroup } from './group-commit.ts';
import { makeScratch, startStore } from './harness.fixture.ts';
import { closeDatabase, openDatabase } from './open.ts';
import type { ReadContext } from './operations.ts';
import { Timings } from './stats.ts';
import type { Answer, Operation, Request } from './wire.ts';

describe('group commit', () => {
  let scratch: ReturnType<typeof makeScratch>;
  let store: ReadContext;

  const open = (): ReadContext => ({ ...openDatabase(scratch.path), timings: new Timings() });
  const go = (on: ReadContext, requests: [Operation, ...unknown[]][]): Answer[] =>
    commitGroup(
      on,
      requests.map(([operation, ...args], index): Request => [index, operation, 1000 + index, args]),
    ).answers;
  const codes = (answers: Answer[]): string[] => answers.map(([, ok, result]) => (ok ? 'ok' : result.code));
  const numbers = (answers: Answer[]): unknown[] =>
    answers.map(([, ok, result]) => (ok ? (result as { job: Job }).job.number : null));

  beforeEach(() => {
    scratch = makeScratch();
    store = open();
    go(store, [['addRepository', newRepository()]]);
  });

  afterEach(() => {
    armFailpoints(undefined);
    if (store.sql.database.isOpen) closeDatabase(store);
    scratch[Symbol.dispose]();
  });

  it('carries out the others when one is refused, before or after it wrote something', () => {
    const answers = go(store, [
      ['acceptJob', newJob()],
      ['acceptJob', newJob({ prompt: '' })],
      ['acceptJob', newJob({ agent: null as unknown as string })],
      ['recordBoot', newBoot('b', { previousStop: 'nonsense' as Boot['previousStop'] })],
      ['acceptJob', newJob()],
    ]);
    assert.deepEqual(codes(answers), ['ok', 'bad-prompt', 'internal', 'internal', 'ok']);
    assert.deepEqual(numbers(answers), [1, null, null, null, 2], 'what is refused takes no number');
    assert.equal(store.counters.last('seq'), 3);
    assert.deepEqual(store.counters.byState().queued, 2);
    assert.deepEqual(checkDatabase(scratch.path, null).corrupt, []);
  });

  it('answers the whole group when the disk is full in the middle, keeps nothing, and goes on when there is space', () => {
    go(store, [['acceptJob', newJob({ prompt: 'before' })]]);
    const seq = store.counters.last('seq');
    const pages = Number(store.sql.get('PRAGMA page_count')?.['page_count']);
    const large = (n: number): [Operation, ...unknown[]] => ['acceptJob', newJob({ prompt: `${n}`.repeat(50_000) })];
    store.sql.get(`PRAGMA max_page_count = ${pages + 40}`);
    const answers = go(store, [1, 2, 3, 4, 5, 6].map(large));
    assert.deepEqual(
      codes(answers),
      Array.from({ length: 6 }, () => 'storage-full'),
    );
    assert.equal(store.sql.database.isTransaction, false);
    assert.equal(store.counters.last('seq'), seq);
    assert.equal(Number(store.sql.get('SELECT count(*) AS n FROM prompts')?.['n']), 1);
    assert.deepEqual(codes(go(store, [['acceptJob', newJob({ prompt: 'small' })]])), ['ok'], 'what fits is still kept');
    store.sql.get(`PRAGMA max_page_count = ${pages + 4000}`);
    assert.deepEqual(numbers(go(store, [1, 2, 3].map(large))), [3, 4, 5]);
    assert.deepEqual(checkDatabase(scratch.path, null), { checked: 6, corrupt: [], witness: null });
  });

  it('leaves an unknown outcome to whoever starts next', () => {
    for (const [point, kept] of [
      ['store.before-commit', 0],
      ['store.after-commit', 1],
      ['store.after-witness', 1],
    ] as const) {
      const before = store.counters.last('seq');
      armFailpoints(`${point}:error`);
      assert.throws(() => go(store, [['acceptJob', newJob()]]), FatalError);
      armFailpoints(undefined);
      store.witness?.close();
      store.sql.database.close();
      store = open();
      assert.equal(store.counters.last('seq'), before + kept, point);
      assert.equal(store.complaint, null);
    }
  });

  it('sees what another connection wrote, and neither gives a number twice', () => {
    const other = open();
    const accept = (on: ReadContext): unknown => numbers(go(on, [['acceptJob', newJob()]]))[0];
    assert.deepEqual([accept(store), accept(other), accept(other), accept(store), accept(other)], [1, 2, 3, 4, 5]);
    const [claimed] = go(other, [['claimJobs', { boot: 'b', hostLimit: 9, max: 1 }]]);
    const [job] = claimed?.[1] === true ? (claimed[2] as Job[]) : [];
    const [late] = go(store, [['moveJob', { id: job?.id, transition: 'requeue', fence: 0, actor: 'old' }]]);
    assert.deepEqual(late?.[1] === false && late[2].code, 'fenced', 'a claim of the other one counts here');
    assert.deepEqual(checkDatabase(scratch.path, null).corrupt, []);
    closeDatabase(other);
  });

  it('says so when another process holds the database, and keeps nothing', () => {
    const other = open();
    other.sql.run('BEGIN IMMEDIATE');
    store.sql.database.exec('PRAGMA busy_timeout = 20');
    assert.deepEqual(codes(go(store, [['acceptJob', newJob()]])), ['storage-failed']);
    other.sql.run('ROLLBACK');
    assert.deepEqual(numbers(go(store, [['acceptJob', newJob()]])), [1]);
    closeDatabase(other);
  });
});

describe('sqlite store, under load', () => {
  it('shares commits between the requests of a moment, at most 64 at a time', async () => {
    using scratch = makeScratch();
    await using store = await startStore({ path: scratch.path });
    await store.addRepository(newRepository());
    const groups: number[] = [];
    store.onCommit((events) => groups.push(events.length));
    const before = await store.stats();
    await Promise.all(Array.from({ length: 256 }, () => store.acceptJob(newJob())));
    const { commits } = await store.stats();
    assert.equal(commits - before.commits, 4);
    assert.deepEqual(groups, [64, 64, 64, 64]);
  });

  it('answers nobody when the outcome is unknown, and tells the one who must end the process', async () => {
    using scratch = makeScratch();
    const fatal = Promise.withResolvers<Error>();
    const options = { path: scratch.path, failpoints: 'store.after-commit:error@2', onFatal: fatal.resolve };
    await using store = await startStore(options);
    await store.addRepository(newRepository());
    const settled: string[] = [];
    const note = (name: string) => (): void => void settled.push(name);
    void store.acceptJob(newJob()).then(note('resolved'), note('rejected'));
    void store.getLastSeq().then(note('read'), note('read failed'));
    assert.match((await fatal.promise).message, /store\.after-commit/);
    await assert.rejects(store.acceptJob(newJob()), /the store is failed/);
    assert.ok(!settled.includes('resolved') && !settled.includes('rejected'));
    await store.stop();
    await using next = await startStore({ path: scratch.path });
    assert.equal(await next.getLastSeq(), 2, 'it was kept, though nobody could know');
  });
});
