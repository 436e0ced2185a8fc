import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Attempt } from '../../lifecycle/attempt.ts';
import type { Job } from '../../lifecycle/job.ts';
import { NOTHING_SPENT, type Step } from '../../lifecycle/stage.ts';
import type { NewGate } from '../ledger-store.ts';
import type { JobMove, Store } from '../store.ts';
import { accept, claimNext, launchNext, newAttempt, reload, withStore, type OpenHarness } from './fixtures.ts';
import { rejectsWith } from './rejects.ts';

const COMMIT = 'c'.repeat(40);
const STEP: Step = { gate: 'test', task: null, candidate: COMMIT, merge: null, spent: NOTHING_SPENT };

interface Launched {
  job: Job;
  attempt: Attempt;
}

/** Says how an attempt ended, as its owner does. */
function settle(store: Store, { job, attempt }: Launched, more: Partial<JobMove> & { exitCode?: number } = {}) {
  const { exitCode = 0, ...move } = more;
  return store.settleAttempt(
    { id: attempt.id, transition: 'finish', fence: attempt.fence, actor: 'owner', set: { exitCode } },
    { id: job.id, transition: 'complete', fence: attempt.fence, actor: 'owner', ...move },
  );
}

function gate(set: Partial<NewGate> = {}): NewGate {
  const result = { result: 'PASS', why: null, candidate: COMMIT, attempt: 1, evidence: [] } as const;
  return { stage: 'verify', gate: 'test', ...result, evidence: [], ...set };
}

/** What was refused of a job, by attempt and word. */
async function told(store: Store, { id }: { id: string }): Promise<unknown[]> {
  const refusals = (await store.listRefusals(id)).toSorted(
    (a, b) => (a.attempt ?? 0) - (b.attempt ?? 0) || (a.word + a.result).localeCompare(b.word + b.result),
  );
  return refusals.map(({ word, result, epoch, attempt, fence }) => [word, result, epoch, attempt, fence]);
}

/** Results that are refused for who says them and when: without effect, and on record. */
export function testRefusals(open: OpenHarness): void {
  it('records what an older claim says, once, and it has no effect', () =>
    withStore(open, async ({ store, reopen }) => {
      await accept(store);
      const old = await launchNext(store);
      const aside = { fence: 1, actor: 'recovery' } as const;
      await store.settleAttempt(
        { id: old.attempt.id, transition: 'interrupt', ...aside },
        { id: old.job.id, transition: 'interrupt', ...aside },
      );
      const { job } = await launchNext(store);
      const rows = [await reload(store, job), await store.listAttempts(job.id)];
      const seq = await store.getLastSeq();
      for (let n = 0; n < 3; n++) await rejectsWith('fenced', settle(store, old, { exitCode: n }));
      assert.deepEqual([await reload(store, job), await store.listAttempts(job.id)], rows);
      assert.equal(await store.getLastSeq(), seq + 1, 'repetition adds nothing');
      assert.deepEqual(await told(store, job), [['late', 'completion', 1, 1, 1]]);
      const [refusal] = await store.listRefusals(job.id);
      assert.equal(refusal?.why, 'complete finish under claim 1, when the job was at claim 2, epoch 1');
      const [event] = await store.listEvents({ after: seq, limit: 9 });
      assert.deepEqual([event?.kind, event?.subject, event?.actor], ['refusal.record', job.id, 'owner']);
      const stored = await reopen();
      await rejectsWith('fenced', settle(stored, old));
      assert.equal((await told(stored, job)).length, 1, 'nor does it after a restart');
      assert.deepEqual((await stored.checkDeep()).corrupt, []);
    }));

  it('tells a completion said again from one that contradicts it, and both from one of an epoch that is over', () =>
    withStore(open, async ({ store }) => {
      await accept(store);
      const launched = await launchNext(store);
      const { job } = launched;
      await settle(store, launched, { exitCode: 0 });
      await rejectsWith('state-conflict', settle(store, launched, { exitCode: 0 }));
      await rejectsWith('state-conflict', settle(store, launched, { exitCode: 7 }));
      assert.deepEqual(await told(store, job), [
        ['conflict', 'completion', 1, 1, 1],
        ['duplicate', 'completion', 1, 1, 1],
      ]);
      assert.deepEqual((await reload(store, job)).state, 'completed');
      await accept(store);
      const other = await launchNext(store);
      await settle(store, other, { transition: 'fail' });
      await store.moveJob({ id: other.job.id, transition: 'retry', fence: null, actor: 'local' });
      await rejectsWith('state-conflict', settle(store, other));
      assert.deepEqual(await told(store, other.job), [['late', 'completion', 1, 1, 1]], 'no claim was given since');
    }));

  it('records who was never asked, in one line for all that nobody knows', () =>
    withStore(open, async ({ store }) => {
      await accept(store);
      await accept(store);
      const [one, two] = [await launchNext(store), await launchNext(store)];
      const seq = await store.getLastSeq();
      await rejectsWith('fenced', settle(store, { ...one, attempt: { ...one.attempt, fence: 9 } }));
      for (const fence of [5, 6, 7, 1e9]) {
        const move = { id: one.job.id, transition: 'complete', fence, actor: 'stranger' } as const;
        await rejectsWith('fenced', store.moveJob(move));
      }
      await rejectsWith('bad-request', settle(store, { job: one.job, attempt: two.attempt }));
      assert.deepEqual(await told(store, one.job), [
        ['unauthorised', 'completion', 1, null, 5],
        ['unauthorised', 'completion', 1, 1, 9],
      ]);
      assert.deepEqual(await told(store, two.job), []);
      assert.equal(await store.getLastSeq(), seq + 2);
      assert.deepEqual(
        [(await reload(store, one.job)).state, (await reload(store, two.job)).state],
        ['running', 'running'],
      );
    }));

  it('records a verdict that comes again, and one that is not the recorded one', () =>
    withStore(open, async ({ store }) => {
      await accept(store, { pipeline: 'full' });
      const { job: claimed } = await launchNext(store);
      const set = { stage: 'verify', step: STEP } as const;
      const advance = { transition: 'advance', set } as const;
      await store.moveJob({ id: claimed.id, ...advance, fence: claimed.fence, actor: 'owner' });
      const launched = await launchNext(store);
      const { job } = launched;
      const end = { ...advance, set: { ...set, stage: 'review' } } as const;
      await settle(store, launched, { ...end, results: { gate: gate({ attempt: 2 }), evidence: [] } });
      const again = (more: Partial<NewGate>) =>
        settle(store, launched, { ...end, results: { gate: gate({ attempt: 2, ...more }), evidence: [] } });
      await rejectsWith('state-conflict', again({}));
      await rejectsWith('state-conflict', again({ result: 'FAIL', why: 'it did not' }));
      assert.deepEqual(await told(store, job), [
        ['conflict', 'verdict', 1, 2, 2],
        ['duplicate', 'verdict', 1, 2, 2],
      ]);
      assert.deepEqual(
        (await store.listGates(job.id)).map(({ result }) => result),
        ['PASS'],
      );
      await claimNext(store);
      await rejectsWith('fenced', again({}));
      assert.deepEqual((await told(store, job)).at(-1), ['late', 'verdict', 1, 2, 2]);
    }));

  it('records a merge and a hand-off of an older claim', () =>
    withStore(open, async ({ store }) => {
      const job = await accept(store, { pipeline: 'full' });
      await store.intendAttempt(newAttempt(await claimNext(store)));
      const step = { stage: 'merge', step: { ...STEP, gate: null } } as const;
      await store.moveJob({ id: job.id, transition: 'advance', set: step, fence: 1, actor: 'owner' });
      await claimNext(store);
      await store.moveJob({ id: job.id, transition: 'requeue', fence: 2, actor: 'recovery' });
      await claimNext(store);
      const results = { gate: gate({ stage: 'merge', gate: 'merge', attempt: null }), evidence: [] };
      const late = { id: job.id, actor: 'owner', set: { step: STEP } } as const;
      await rejectsWith('fenced', store.moveJob({ ...late, transition: 'complete', fence: 2, results }));
      await rejectsWith('fenced', store.moveJob({ ...late, transition: 'hand_off', fence: 1 }));
      // What only puts a job back, or notes something, is no result.
      await rejectsWith('fenced', store.moveJob({ id: job.id, transition: 'requeue', fence: 1, actor: 'owner' }));
      await rejectsWith('fenced', store.noteJob({ id: job.id, fence: 1, set: { outputBytes: 1 }, actor: 'owner' }));
      assert.deepEqual(await told(store, job), [
        ['late', 'hand-off', 1, null, 1],
        ['late', 'merge', 1, null, 2],
      ]);
      assert.deepEqual(await store.listGates(job.id), []);
    }));

  it('records a verdict nobody asked for beside the result that there is none', () =>
    withStore(open, async ({ store }) => {
      await accept(store, { pipeline: 'full' });
      const { job } = await launchNext(store);
      const refused = { word: 'late', gate: 'strict', why: 'it is about another epoch', attempt: 1 } as const;
      const block = { reason: 'gate_blocked', blocker: 'it is about another epoch' } as const;
      const results = { gate: gate({ stage: 'review', gate: 'strict', result: 'BLOCK' }), evidence: [], refused };
      const set = { ...block, stage: 'review', step: STEP } as const;
      await store.moveJob({ id: job.id, transition: 'block', fence: 1, set, results, actor: 'owner' });
      assert.deepEqual(await told(store, job), [['late', 'verdict', 1, 1, null]]);
      assert.deepEqual((await store.checkDeep()).corrupt, []);
      const removable = await store.requestCancel(job.id, 'local');
      await store.removeJob({ id: removable.id, actor: 'local' });
      assert.deepEqual(await store.listRefusals(job.id), []);
    }));

  it('spoils nothing that is asked for at the same time', () =>
    withStore(open, async ({ store }) => {
      await accept(store);
      const launched = await launchNext(store);
      const late = { id: launched.job.id, transition: 'complete', fence: 9, actor: 'stranger' } as const;
      const [made, , settled] = await Promise.all([
        accept(store, { prompt: 'beside it' }),
        rejectsWith('fenced', store.moveJob(late)),
        settle(store, launched),
        rejectsWith('fenced', store.moveJob(late)),
      ]);
      assert.deepEqual([(await reload(store, made)).state, settled.job.state], ['queued', 'completed']);
      assert.equal((await told(store, launched.job)).length, 1);
      assert.deepEqual((await store.checkDeep()).corrupt, []);
    }));
}
