import assert from 'node:assert/strict';
import { it } from 'node:test';
import { sha256 } from '../../kernel/hash.ts';
import { MAX_PROMPT_BYTES, type Job } from '../../lifecycle/job.ts';
import { JOB_STATES } from '../../lifecycle/transitions.ts';
import type { Page } from '../store.ts';
import {
  accept,
  claimNext,
  completeNext,
  newJob,
  newRepository,
  reload,
  withStore,
  type OpenHarness,
} from './fixtures.ts';
import { rejectsWith } from './rejects.ts';

/** Acceptance and reads of jobs. */
export function testJobs(open: OpenHarness): void {
  it('accepts a job with every field it was given, and its prompt by hash', () =>
    withStore(open, async ({ store }) => {
      const limits = { wallMs: 1000, idleMs: 500, outputBytes: 4096 };
      const input = newJob({
        prompt: 'naïve 🦉 "quoted"\n',
        command: ['sh', '-c', 'true'],
        agent: 'exec',
        priority: -2,
        onInterrupt: 'ask',
        limits,
        deadlineMs: 60_000,
        principal: 'ci',
      });
      const { job, replayed } = await store.acceptJob(input);
      assert.equal(replayed, false);
      assert.equal(job.state, 'queued');
      assert.deepEqual(
        [
          job.repository,
          job.command,
          job.agent,
          job.priority,
          job.onInterrupt,
          job.limits,
          job.deadlineMs,
          job.principal,
        ],
        ['app', ['sh', '-c', 'true'], 'exec', -2, 'ask', limits, 60_000, 'ci'],
      );
      assert.deepEqual([job.epoch, job.fence, job.attempts, job.frozen, job.outcome], [1, 0, 0, false, null]);
      assert.equal(job.lineage, job.id);
      assert.equal(job.promptSha256, sha256(input.prompt));
      assert.equal(await store.getPrompt(job.promptSha256), input.prompt);
      assert.deepEqual(await store.getJob(job.id), job);
    }));

  it('keeps a held job out of the queue until it is started', () =>
    withStore(open, async ({ store }) => {
      const held = await accept(store, { start: false });
      const queued = await accept(store);
      assert.deepEqual([held.state, held.queueSeq, held.queuedAt], ['created', null, null]);
      assert.equal(await store.getQueuePosition(held.id), null);
      const started = await store.moveJob({ id: held.id, transition: 'start', fence: null, actor: 'local' });
      assert.equal(started.state, 'queued');
      assert.ok((started.queueSeq ?? 0) > (queued.queueSeq ?? 0), 'it stands behind the one that was queued before it');
    }));

  it('gives numbers in order, each once, to requests that arrive together', () =>
    withStore(open, async ({ store }) => {
      const jobs = await Promise.all(Array.from({ length: 200 }, () => accept(store)));
      assert.deepEqual(
        jobs.map((job) => job.number),
        jobs.map((_, index) => index + 1),
      );
      assert.equal(new Set(jobs.map((job) => job.queueSeq)).size, 200);
      assert.equal(new Set(jobs.map((job) => job.id)).size, 200);
    }));

  it('answers the same key and request with the first job, another request with a conflict', () =>
    withStore(open, async ({ store }) => {
      const idempotency = { key: 'k1', requestSha256: 'a'.repeat(64) };
      const replies = await Promise.all([
        store.acceptJob(newJob({ idempotency })),
        store.acceptJob(newJob({ idempotency })),
        store.acceptJob(newJob({ idempotency })),
      ]);
      assert.equal(new Set(replies.map(({ job }) => job.id)).size, 1);
      assert.deepEqual(
        replies.map(({ replayed }) => replayed),
        [false, true, true],
      );
      const other = { key: 'k1', requestSha256: 'b'.repeat(64) };
      await rejectsWith('idempotency-conflict', store.acceptJob(newJob({ idempotency: other })));
      const stranger = await store.acceptJob(newJob({ idempotency: other, principal: 'somebody' }));
      assert.equal(stranger.replayed, false);
      assert.equal((await store.listJobs({})).items.length, 2);
    }));

  it('refuses what it could not keep as it was sent, and keeps nothing of it', () =>
    withStore(open, async ({ store }) => {
      const before = await store.getLastSeq();
      await rejectsWith('bad-prompt', accept(store, { prompt: '' }));
      await rejectsWith('bad-prompt', accept(store, { prompt: 'a\0b' }));
      await rejectsWith('bad-prompt', accept(store, { prompt: 'half \ud83e of a pair' }));
      await rejectsWith('bad-prompt', accept(store, { prompt: 'x'.repeat(MAX_PROMPT_BYTES + 1) }));
      await rejectsWith('repository-not-found', accept(store, { repository: 'nowhere' }));
      assert.equal(await store.getLastSeq(), before);
      const longest = await accept(store, { prompt: 'é'.repeat(MAX_PROMPT_BYTES / 2) });
      assert.equal(longest.number, 1, 'a refused request takes no number');
    }));

  it('finds a job by number, id and unique prefix', () =>
    withStore(open, async ({ store }) => {
      const [first, second] = [await accept(store), await accept(store)];
      assert.equal((await store.findJob('2'))?.id, second.id);
      assert.equal((await store.findJob(first.id))?.id, first.id);
      assert.equal((await store.findJob(first.id.slice(0, -2)))?.id, first.id);
      assert.equal((await store.findJob(first.id.slice('job_'.length)))?.id, first.id);
      await rejectsWith('ambiguous-id', store.findJob('job_0'));
      for (const nothing of ['3', '0', 'job_zzzz', 'JOB', "' OR 1=1", '', '9'.repeat(40)]) {
        assert.equal(await store.findJob(nothing), null, nothing);
      }
    }));

  it('lists newest first, by state and repository, page by page', () =>
    withStore(open, async ({ store }) => {
      await store.addRepository(newRepository({ name: 'lib' }));
      for (let i = 0; i < 7; i++) await accept(store, { repository: i % 2 === 0 ? 'app' : 'lib', start: i !== 6 });
      await completeNext(store);
      const numbers: number[] = [];
      let cursor: string | null = null;
      do {
        const page: Page<Job> = await store.listJobs(cursor === null ? { limit: 3 } : { limit: 3, cursor });
        numbers.push(...page.items.map((job) => job.number));
        cursor = page.nextCursor;
      } while (cursor !== null);
      assert.deepEqual(numbers, [7, 6, 5, 4, 3, 2, 1]);
      const list = async (query: Parameters<typeof store.listJobs>[0]): Promise<number[]> =>
        (await store.listJobs(query)).items.map((job) => job.number);
      assert.deepEqual(await list({ repository: 'lib' }), [6, 4, 2]);
      assert.deepEqual(await list({ state: 'completed' }), [1]);
      assert.deepEqual(await list({ state: 'queued', repository: 'app' }), [5, 3]);
      assert.deepEqual(await list({ state: 'failed' }), []);
      await rejectsWith('bad-request', store.listJobs({ cursor: 'nonsense' }));
    }));

  it('counts jobs by state', () =>
    withStore(open, async ({ store, reopen }) => {
      for (const start of [true, true, true, false]) await accept(store, { start });
      await completeNext(store);
      await claimNext(store);
      const expected = { created: 1, queued: 1, preparing: 1, completed: 1 };
      const all = { ...Object.fromEntries(JOB_STATES.map((state) => [state, 0])), ...expected };
      assert.deepEqual(await store.countJobsByState(), all);
      assert.deepEqual(await (await reopen()).countJobsByState(), all);
    }));

  it('is the same after it was opened again', () =>
    withStore(open, async ({ store, reopen }) => {
      await accept(store, { prompt: 'kept' });
      await completeNext(store);
      await accept(store);
      const before = await store.listJobs({});
      const again = await reopen();
      assert.deepEqual(await again.listJobs({}), before);
      assert.equal((await accept(again)).number, 3);
    }));

  it('notes fields without a transition, and never how a job ended', () =>
    withStore(open, async ({ store }) => {
      await accept(store);
      const job = await claimNext(store);
      const noted = await store.noteJob({
        id: job.id,
        fence: job.fence,
        set: { workspaceState: 'ready', baseCommit: 'c0ffee', outputBytes: 12, sessionId: 's1' },
        actor: 'owner',
      });
      assert.deepEqual(
        [noted.workspaceState, noted.baseCommit, noted.outputBytes, noted.sessionId, noted.state],
        ['ready', 'c0ffee', 12, 's1', 'preparing'],
      );
      await rejectsWith('fenced', store.noteJob({ id: job.id, fence: 0, set: { outputBytes: 1 }, actor: 'old' }));
      await store.moveJob({ id: job.id, transition: 'fail', fence: job.fence, actor: 'owner', set: { exitCode: 3 } });
      const late = { id: job.id, fence: job.fence, actor: 'owner' };
      await rejectsWith('state-conflict', store.noteJob({ ...late, set: { exitCode: 0 } }));
      await store.noteJob({ ...late, set: { outputBytes: 99 } });
      const ended = await reload(store, job);
      assert.deepEqual([ended.exitCode, ended.outputBytes], [3, 99]);
    }));
}
