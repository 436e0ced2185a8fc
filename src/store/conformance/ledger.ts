import assert from 'node:assert/strict';
import { it } from 'node:test';
import { planOf } from '../../lifecycle/plan.ts';
import { NOTHING_SPENT, type Step, type TestSummary } from '../../lifecycle/stage.ts';
import type { Job } from '../../lifecycle/job.ts';
import type { NewGate } from '../ledger-store.ts';
import type { Store } from '../store.ts';
import {
  accept,
  claimNext,
  launchNext,
  listKinds,
  newRepository,
  reload,
  withStore,
  type OpenHarness,
} from './fixtures.ts';
import { rejectsWith } from './rejects.ts';

const COMMIT = 'c'.repeat(40);
const AT_GATE: Step = { gate: 'run test', task: null, candidate: COMMIT, merge: null, spent: NOTHING_SPENT };

function gate(set: Partial<NewGate> = {}): NewGate {
  const result = { result: 'PASS', why: null, candidate: COMMIT, attempt: 1, evidence: ['a'.repeat(64)] } as const;
  return { stage: 'verify', gate: 'run test', ...result, evidence: [...result.evidence], ...set };
}

const OUTPUT = { sha256: 'a'.repeat(64), kind: 'output', name: 'run test', bytes: 7, attempt: 1 } as const;

const SUMMARY: TestSummary = { format: 'tap', tests: 2, passed: 1, failed: 1, skipped: 0, failing: ['adds'] };

/** Moves a job at work on to a stage of its pipeline. */
function advance(store: Store, job: Job, move: Partial<Parameters<Store['moveJob']>[0]> = {}): Promise<Job> {
  const set = { stage: 'verify', step: AT_GATE } as const;
  return store.moveJob({ id: job.id, transition: 'advance', fence: job.fence, set, actor: 'owner', ...move });
}

/** Pipelines: what a job must pass, its stages, and the ledger. */
export function testLedger(open: OpenHarness): void {
  it('fixes what a job must pass when it is accepted, and anew when it is reopened', () =>
    withStore(open, async ({ store }) => {
      await store.addRepository(newRepository({ name: 'gated', verify: [['run', 'test']], merge: true }));
      const job = await accept(store, { repository: 'gated', pipeline: 'full' });
      const registered = await store.getRepository('gated');
      assert.ok(registered !== null);
      assert.deepEqual(job.plan, planOf(registered));
      await store.updateRepository('gated', { verify: [['run', 'other']] }, 'operator');
      assert.deepEqual((await reload(store, job)).plan, job.plan);
      const { job: running } = await launchNext(store);
      const blocked = { reason: 'gate_blocked', blocker: 'it is not there' } as const;
      const set = { ...blocked, stage: 'verify', step: AT_GATE } as const;
      await store.moveJob({ id: job.id, transition: 'block', fence: running.fence, set, actor: 'owner' });
      const again = await store.moveJob({ id: job.id, transition: 'retry', fence: null, actor: 'operator' });
      assert.deepEqual(again.plan?.verify, [{ name: 'run other', argv: ['run', 'other'] }]);
      assert.deepEqual([again.stage, again.step?.gate, again.epoch], ['verify', 'run other', 2]);
    }));

  it('goes on at its old place, with what the stage produced, or not at all', () =>
    withStore(open, async ({ store }) => {
      const job = await accept(store, { pipeline: 'full' });
      await accept(store);
      const { job: running } = await launchNext(store);
      const results = { gate: gate({ summary: SUMMARY }), evidence: [OUTPUT] };
      const moved = await advance(store, running, { results, newEpoch: true });
      assert.deepEqual(
        [moved.state, moved.stage, moved.queueSeq, moved.epoch],
        ['queued', 'verify', job.queueSeq, running.epoch + 1],
      );
      assert.deepEqual(
        (await store.listGates(job.id)).map((one) => [one.gate, one.result, one.epoch, one.evidence, one.summary]),
        [['run test', 'PASS', running.epoch, ['a'.repeat(64)], SUMMARY]],
      );
      assert.deepEqual(
        (await store.listEvidence(job.id)).map((one) => [one.sha256, one.bytes, one.epoch]),
        [['a'.repeat(64), 7, running.epoch]],
      );
      const claimed = await claimNext(store);
      assert.equal(claimed.id, job.id, 'nobody who came later is before it');
      const seq = await store.getLastSeq();
      await rejectsWith('fenced', advance(store, running, { results }));
      assert.deepEqual(await listKinds(store, seq), ['refusal.record']);
      assert.deepEqual([await reload(store, job), (await store.listGates(job.id)).length], [claimed, 1]);
    }));

  it('has one result for a gate in an epoch, and never another', () =>
    withStore(open, async ({ store }) => {
      await accept(store, { pipeline: 'full' });
      const { job } = await launchNext(store);
      await advance(store, job, { results: { gate: gate(), evidence: [] } });
      const claimed = await claimNext(store);
      const other = { gate: gate({ result: 'FAIL', why: 'no' }), evidence: [OUTPUT] };
      await rejectsWith('state-conflict', advance(store, claimed, { results: other }));
      assert.deepEqual(await reload(store, claimed), claimed);
      assert.deepEqual([(await store.listGates(job.id))[0]?.result, await store.listEvidence(job.id)], ['PASS', []]);
    }));

  it('lets one job of a repository at a time test, and others work beside it', () =>
    withStore(open, async ({ store }) => {
      for (let n = 0; n < 2; n++) await accept(store, { pipeline: 'full' });
      const claim = { boot: 'boot', hostLimit: 9, max: 9 };
      const ids = (await store.claimJobs(claim)).map(({ id }) => id);
      for (const id of ids) await advance(store, await reload(store, { id }));
      const third = await accept(store, { pipeline: 'full' });
      const claimed = await store.claimJobs(claim);
      assert.deepEqual(
        claimed.map(({ id }) => id),
        [ids[0], third.id],
      );
      assert.deepEqual(await store.claimJobs(claim), []);
      const [first] = claimed;
      assert.ok(first !== undefined);
      await advance(store, first, { set: { stage: 'handoff', step: { ...AT_GATE, gate: null } } });
      assert.deepEqual(
        (await store.claimJobs(claim)).map(({ id }) => id),
        ids,
      );
    }));

  it('reopens nothing that has no pipeline, and nothing that could never begin', () =>
    withStore(open, async ({ store }) => {
      const plain = await accept(store);
      const { job } = await launchNext(store);
      await store.moveJob({ id: plain.id, transition: 'fail', fence: job.fence, actor: 'owner' });
      await rejectsWith(
        'state-conflict',
        store.moveJob({ id: plain.id, transition: 'fixup', fence: null, actor: 'x' }),
      );
      const weak = await accept(store, { pipeline: 'full', packet: true, weak: 'it has no goal' });
      assert.deepEqual(
        [weak.state, weak.reason, weak.blocker, weak.queueSeq],
        ['blocked', 'weak_packet', 'it has no goal', null],
      );
      await rejectsWith('state-conflict', store.moveJob({ id: weak.id, transition: 'retry', fence: null, actor: 'x' }));
    }));
}
