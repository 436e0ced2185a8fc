import assert from 'node:assert/strict';
import { it } from 'node:test';
import { SESSION_REJECTED } from '../../lifecycle/attempt.ts';
import {
  accept,
  claimNext,
  launchNext,
  listKinds,
  newAttempt,
  type OpenHarness,
  reload,
  withStore,
} from './fixtures.ts';
import { rejectsWith } from './rejects.ts';

/** Attempts: numbers, what moves with the job, both or none. */
export function testAttempts(open: OpenHarness): void {
  it('makes an attempt and launches its job in one step', () =>
    withStore(open, async ({ store }) => {
      const accepted = await accept(store, { limits: { wallMs: 5, idleMs: 4, outputBytes: 3 } });
      const claimed = await claimNext(store);
      const { job, attempt } = await store.intendAttempt(newAttempt(claimed, { mode: 'warm', sessionId: 's-1' }));
      assert.deepEqual([job.state, job.attempts, job.sessionId], ['running', 1, 's-1']);
      assert.ok(job.startedAt !== null);
      assert.deepEqual(
        [attempt.state, attempt.number, attempt.fence, attempt.epoch, attempt.mode, attempt.sessionId, attempt.boot],
        ['intended', 1, 1, 1, 'warm', 's-1', 'boot_a'],
      );
      assert.deepEqual(attempt.limits, accepted.limits);
      assert.deepEqual(await store.getAttempt(job.id, 1), attempt);
      assert.equal(await store.getAttempt(job.id, 2), null);
      assert.deepEqual(await store.listLiveAttempts(), [attempt]);
    }));

  it('records who was seen alive and how it ended', () =>
    withStore(open, async ({ store }) => {
      await accept(store);
      const { job, attempt } = await launchNext(store);
      const owner = { id: attempt.id, fence: job.fence, actor: 'owner' };
      const [keeper, agent] = [
        { pid: 11, start: '100' },
        { pid: 12, start: '101' },
      ];
      const seen = await store.moveAttempt({ ...owner, transition: 'attach', set: { keeper, agent } });
      assert.deepEqual([seen.state, seen.keeper, seen.agent], ['running', keeper, agent]);
      const again = await store.moveAttempt({ ...owner, transition: 'attach', set: { outputBytes: 5 } });
      assert.equal(again.startedAt, seen.startedAt, 'the first sight counts');
      const settled = await store.settleAttempt(
        { ...owner, transition: 'finish', set: { exitCode: 7, outputBytes: 9, evidenceLevel: 'token', note: 'n' } },
        { id: job.id, transition: 'fail', fence: job.fence, actor: 'owner', set: { exitCode: 7, reason: 'exit_code' } },
      );
      const ended = settled.attempt;
      assert.deepEqual([ended.state, ended.verdict, ended.exitCode, ended.outputBytes], ['finished', 'FINISHED', 7, 9]);
      assert.ok(ended.endedAt !== null);
      assert.deepEqual([settled.job.state, settled.job.exitCode], ['failed', 7]);
      assert.deepEqual(await store.listLiveAttempts(), []);
      assert.deepEqual(await store.listAttempts(job.id), [ended]);
    }));

  it('settles both or none', () =>
    withStore(open, async ({ store }) => {
      await accept(store);
      const { job, attempt } = await launchNext(store);
      const owner = { fence: job.fence, actor: 'owner' };
      const end = { id: attempt.id, transition: 'finish', ...owner } as const;
      const seq = await store.getLastSeq();
      await rejectsWith('state-conflict', store.settleAttempt(end, { id: job.id, transition: 'retry', ...owner }));
      const other = await accept(store, { start: false });
      await rejectsWith('bad-request', store.settleAttempt(end, { id: other.id, transition: 'cancel', ...owner }));
      assert.deepEqual(await store.getAttempt(job.id, 1), attempt);
      assert.deepEqual(await reload(store, job), job);
      // What was told of the other job with this attempt is on record there, and no more.
      assert.deepEqual(await listKinds(store, seq), ['job.accept', 'refusal.record']);
      await rejectsWith('not-found', store.moveAttempt({ ...end, id: 'att_none' }));
    }));

  it('numbers the attempts of a job over claims and epochs', () =>
    withStore(open, async ({ store }) => {
      await accept(store);
      for (let round = 1; round <= 3; round++) {
        const { job, attempt } = await launchNext(store);
        assert.deepEqual([attempt.number, attempt.fence, attempt.epoch], [round, round, round === 3 ? 2 : 1]);
        const transition = round === 2 ? 'fail' : 'interrupt';
        await store.settleAttempt(
          { id: attempt.id, transition: 'interrupt', fence: round, actor: 'owner' },
          { id: job.id, transition, fence: round, actor: 'owner' },
        );
        if (round === 2) await store.moveJob({ id: job.id, transition: 'retry', fence: null, actor: 'local' });
      }
    }));

  it('counts interrupted attempts by lineage, epoch and time', () =>
    withStore(open, async ({ store }) => {
      const [first] = [await accept(store), await accept(store)];
      for (let round = 0; round < 2; round++) {
        const { job, attempt } = await launchNext(store);
        assert.equal(job.id, first.id);
        await store.settleAttempt(
          { id: attempt.id, transition: 'interrupt', fence: job.fence, actor: 'owner' },
          { id: job.id, transition: 'interrupt', fence: job.fence, actor: 'owner' },
        );
      }
      const [, newest] = await store.listAttempts(first.id);
      const since = newest?.endedAt ?? 0;
      assert.equal(await store.countInterrupted(first.lineage, 1, 0), 2);
      assert.ok((await store.countInterrupted(first.lineage, 1, since)) >= 1);
      assert.equal(await store.countInterrupted(first.lineage, 1, since + 1), 0);
      assert.equal(await store.countInterrupted(first.lineage, 2, 0), 0);
      assert.equal(await store.countInterrupted('job_other', 1, 0), 0);
      const { job, attempt } = await launchNext(store);
      await store.settleAttempt(
        { id: attempt.id, transition: 'interrupt', fence: job.fence, set: { note: SESSION_REJECTED }, actor: 'owner' },
        { id: job.id, transition: 'interrupt', fence: job.fence, actor: 'owner' },
      );
      assert.equal(await store.countInterrupted(first.lineage, 1, 0), 2);
    }));

  it('counts no attempt that we stopped ourselves', () =>
    withStore(open, async ({ store }) => {
      const first = await accept(store);
      for (const stoppedBy of ['stop', 'host', null]) {
        const { job, attempt } = await launchNext(store);
        await store.settleAttempt(
          { id: attempt.id, transition: 'interrupt', fence: job.fence, set: { stoppedBy }, actor: 'owner' },
          { id: job.id, transition: 'interrupt', fence: job.fence, actor: 'owner' },
        );
      }
      assert.equal(await store.countInterrupted(first.lineage, 1, 0), 2);
    }));

  it('keeps a warning in the history of a job and changes nothing else, for its owner only', () =>
    withStore(open, async ({ store }) => {
      await accept(store);
      const { job } = await launchNext(store);
      const warning = { id: job.id, fence: job.fence, warning: 'little space is left', actor: 'admission' };
      const warned = await store.warnJob(warning);
      assert.deepEqual(warned, { ...job, version: job.version + 1 });
      const [event] = await store.listEvents({ after: (await store.getLastSeq()) - 1, limit: 1 });
      assert.deepEqual([event?.kind, event?.data['warning']], ['job.warn', 'little space is left']);
      await rejectsWith('fenced', store.warnJob({ ...warning, fence: job.fence - 1 }));
      assert.deepEqual((await store.checkDeep()).corrupt, []);
    }));
}
