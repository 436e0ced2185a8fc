import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { DEFAULT_GATE_LIMITS } from '../lifecycle/plan.ts';
import { DEFAULT_BUDGETS, NOTHING_SPENT, type Plan, type Stage } from '../lifecycle/stage.ts';
import type { Decision, StageEnd, StageFacts } from '../lifecycle/stage-decision.ts';
import { decideStage } from './decide-stage.ts';

const PLAN: Plan = {
  verify: ['lint', 'test'].map((name) => ({ name, argv: ['run', name] })),
  reviewers: ['alpha', 'beta'].map((name) => ({ name, agent: 'scripted', instructions: null, leastScore: 70 })),
  merge: true,
  budgets: DEFAULT_BUDGETS,
  gateLimits: DEFAULT_GATE_LIMITS,
};
const COMMITTED: StageEnd = { kind: 'work', work: { kind: 'committed' } };

function facts(set: Partial<StageFacts>): StageFacts {
  return {
    stage: 'implement',
    ended: COMMITTED,
    plan: PLAN,
    passed: new Set(),
    spent: NOTHING_SPENT,
    ...set,
  };
}

const gate = (name: string, result: 'PASS' | 'FAIL' | 'BLOCK', why: string | null = null): StageEnd => ({
  kind: 'gate',
  gate: name,
  result,
  why,
});

/** Stage and gate of a decision, or how it ends: `verify:lint`, `block:fix_budget`. */
function nameOf(decision: Decision): string {
  if (decision.kind === 'go') return [decision.stage, decision.gate].filter((one) => one !== null).join(':');
  return decision.kind === 'complete' ? 'complete' : `${decision.kind}:${decision.reason ?? 'handoff'}`;
}

describe('what follows a working stage', () => {
  test('committed work opens a new epoch with its first gate', () => {
    const next = decideStage(facts({}));
    assert.equal(nameOf(next), 'verify:lint');
    assert.ok(next.kind === 'go' && next.newEpoch);
  });

  test('what earlier work has passed opens nothing for new work', () => {
    const next = decideStage(facts({ stage: 'fix', passed: new Set(['lint', 'test', 'alpha', 'beta']) }));
    assert.equal(nameOf(next), 'verify:lint');
  });

  test('uncommitted work is sent back only to commit it, in the same stage and epoch', () => {
    const ended: StageEnd = { kind: 'work', work: { kind: 'uncommitted', diffSha256: 'a' } };
    for (const stage of ['implement', 'fix'] as const) {
      const next = decideStage(facts({ stage, ended }));
      assert.ok(next.kind === 'go' && next.stage === stage && next.task === 'commit' && !next.newEpoch);
    }
  });

  test('three identical diffs, or eight sendings, block it', () => {
    const sendBack = (diffs: string[]): string[] => {
      let spent = NOTHING_SPENT;
      return diffs.map((diffSha256) => {
        const next = decideStage(facts({ spent, ended: { kind: 'work', work: { kind: 'uncommitted', diffSha256 } } }));
        spent = next.spent;
        return nameOf(next);
      });
    };
    assert.deepEqual(sendBack(['a', 'a', 'a']), ['implement', 'implement', 'block:uncommitted_work']);
    assert.deepEqual(sendBack(['a', 'b', 'a', 'a']).at(-1), 'implement');
    const ever = sendBack(Array.from({ length: 9 }, (_, at) => String(at)));
    assert.deepEqual([ever[7], ever[8]], ['implement', 'block:uncommitted_work']);
  });

  test('no changes and unusable history stop at a person', () => {
    assert.equal(nameOf(decideStage(facts({ ended: { kind: 'work', work: { kind: 'empty' } } }))), 'block:no_changes');
    const ended: StageEnd = { kind: 'work', work: { kind: 'unusable', why: 'no base' } };
    assert.equal(nameOf(decideStage(facts({ ended }))), 'block:work_unusable');
  });
});

describe('what follows a gate', () => {
  test('gates run in their order, reviewers after them, then the merge', () => {
    const passed = new Set<string>();
    const seen: string[] = [];
    let next = decideStage(facts({}));
    while (next.kind === 'go' && next.gate !== null) {
      seen.push(nameOf(next));
      passed.add(next.gate);
      next = decideStage(facts({ stage: next.stage, passed, ended: gate(next.gate, 'PASS') }));
    }
    assert.deepEqual(seen, ['verify:lint', 'verify:test', 'review:alpha', 'review:beta']);
    assert.equal(nameOf(next), 'merge');
  });

  test('a plan without a merge ends in a hand-off, also one without any gate', () => {
    const plan: Plan = { ...PLAN, verify: [], reviewers: [] };
    assert.equal(nameOf(decideStage(facts({ plan }))), 'handoff');
    const only: Plan = { ...PLAN, verify: [{ name: 'test', argv: ['run'] }], reviewers: [], merge: false };
    const passed = new Set(['test']);
    assert.equal(
      nameOf(decideStage(facts({ plan: only, stage: 'verify', passed, ended: gate('test', 'PASS') }))),
      'handoff',
    );
  });

  test('what nothing has checked is handed off for a person to review', () => {
    const handedOff = (plan: Plan): string =>
      nameOf(decideStage(facts({ plan, stage: 'handoff', ended: { kind: 'handed-off' } })));
    assert.equal(handedOff({ ...PLAN, verify: [], reviewers: [] }), 'ready:manual_review');
    assert.equal(handedOff({ ...PLAN, reviewers: [] }), 'ready:handoff');
    assert.equal(handedOff({ ...PLAN, verify: [] }), 'ready:handoff');
  });

  test('a failure is fixed twice, then a person decides', () => {
    let spent = NOTHING_SPENT;
    const fail = (): Decision => {
      const next = decideStage(facts({ stage: 'verify', spent, ended: gate('test', 'FAIL', 'exit code 1') }));
      spent = next.spent;
      return next;
    };
    assert.deepEqual([nameOf(fail()), nameOf(fail()), nameOf(fail())], ['fix', 'fix', 'block:fix_budget']);
  });

  test('no result is no pass and no failure', () => {
    const next = decideStage(facts({ stage: 'verify', ended: gate('test', 'BLOCK', 'timed out') }));
    assert.equal(nameOf(next), 'block:gate_blocked');
    assert.deepEqual(next.spent, NOTHING_SPENT);
  });
});

describe('what follows a merge', () => {
  const merge = (result: Extract<StageEnd, { kind: 'merge' }>['result'], spent = NOTHING_SPENT): Decision =>
    decideStage(facts({ stage: 'merge', spent, ended: { kind: 'merge', result, why: 'told' } }));

  test('each result has its way', () => {
    assert.equal(nameOf(merge('merged')), 'complete');
    assert.equal(nameOf(merge('moved')), 'merge');
    assert.equal(nameOf(merge('held')), 'ready:merge_held');
    assert.equal(nameOf(merge('empty')), 'block:empty_merge');
    assert.equal(nameOf(merge('refused')), 'block:merge_refused');
    assert.equal(nameOf(merge('gate-failed')), 'merge');
  });

  test('a conflict starts one resolving agent, once; three failures are final', () => {
    const first = merge('conflict');
    assert.ok(first.kind === 'go' && first.task === 'resolve');
    const second = merge('conflict', first.spent);
    assert.equal(nameOf(second), 'merge');
    assert.equal(nameOf(merge('conflict', second.spent)), 'block:merge_failed_final');
    assert.equal(nameOf(merge('gate-failed', second.spent)), 'block:merge_failed_final');
  });

  test('a base that moves is no strike, however often', () => {
    let { spent } = merge('moved');
    for (let times = 0; times < 20; times++) ({ spent } = merge('moved', spent));
    assert.deepEqual(spent, NOTHING_SPENT);
  });
});

/** One answer of the world to each stage, chosen by a number. */
function answer(stage: Stage, gateName: string | null, choice: number): StageEnd {
  if (stage === 'handoff') return { kind: 'handed-off' };
  if (stage === 'merge') {
    const results = ['merged', 'conflict', 'gate-failed', 'held', 'empty', 'refused'] as const;
    return { kind: 'merge', result: results[choice % results.length] ?? 'merged', why: null };
  }
  if (gateName !== null) return gate(gateName, (['PASS', 'FAIL', 'BLOCK'] as const)[choice % 3] ?? 'PASS');
  const diffSha256 = String(choice % 4);
  return choice % 3 === 0 ? { kind: 'work', work: { kind: 'uncommitted', diffSha256 } } : COMMITTED;
}

test('whatever the stages answer, a job ends within its budgets and passes nothing without a record', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(60), { minLength: 400, maxLength: 400 }), fc.boolean(), (choices, merging) => {
      const plan = { ...PLAN, merge: merging };
      let passed = new Set<string>();
      let at: { stage: Stage; gate: string | null } = { stage: 'implement', gate: null };
      let spent = NOTHING_SPENT;
      for (const choice of choices) {
        const ended = answer(at.stage, at.gate, choice);
        if (ended.kind === 'gate' && ended.result === 'PASS') passed.add(ended.gate);
        const next = decideStage({ stage: at.stage, ended, plan, passed, spent });
        spent = next.spent;
        if (next.kind !== 'go') return;
        if (next.newEpoch) passed = new Set();
        if (next.stage === 'merge' || next.stage === 'handoff')
          assert.deepEqual([...passed].toSorted(), ['alpha', 'beta', 'lint', 'test']);
        at = next;
      }
      assert.fail('it did not end');
    }),
  );
});
