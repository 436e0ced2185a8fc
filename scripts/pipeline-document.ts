/** The generated parts of docs/pipeline.md: every way from stage to stage, as the rule that decides it answers. */
import { DEFAULT_GATE_LIMITS } from '../src/lifecycle/plan.ts';
import type { Decision, MergeResult, StageEnd, StageFacts, Work } from '../src/lifecycle/stage-decision.ts';
import { DEFAULT_BUDGETS, NOTHING_SPENT, type Plan, type Spent, type Stage } from '../src/lifecycle/stage.ts';
import { decideStage } from '../src/pipeline/decide-stage.ts';

const PLAN: Plan = {
  verify: [{ name: 'check', argv: ['check'] }],
  reviewers: [{ name: 'reviewer', agent: 'agent', instructions: null, leastScore: 70 }],
  merge: true,
  budgets: DEFAULT_BUDGETS,
  gateLimits: DEFAULT_GATE_LIMITS,
};
const HAND_OFF: Plan = { ...PLAN, merge: false };

const WORKS: readonly Work[] = [
  { kind: 'committed' },
  { kind: 'uncommitted', diffSha256: 'a' },
  { kind: 'empty' },
  { kind: 'unusable', why: '' },
];
const MERGES: readonly MergeResult[] = ['merged', 'conflict', 'gate-failed', 'moved', 'held', 'empty', 'refused'];

/** Nothing spent, and everything spent. */
const SPENT: readonly Spent[] = [
  NOTHING_SPENT,
  { fixRounds: 2, merges: 2, conflictFixes: 1, commits: 8, sameDiffs: 2, diffSha256: 'a' },
];

interface Way {
  from: Stage;
  to: string;
  why: string;
}

function nameOf(decision: Decision): string {
  if (decision.kind === 'go') return decision.stage;
  if (decision.kind === 'ready') return decision.reason === null ? 'ready' : 'ready_for_a_person';
  return decision.kind === 'complete' ? 'completed' : 'blocked';
}

function* listEnds(): Generator<{ facts: Omit<StageFacts, 'spent'>; why: string }> {
  for (const stage of ['implement', 'fix'] as const) {
    for (const work of WORKS) {
      yield { facts: { stage, ended: { kind: 'work', work }, plan: PLAN, passed: new Set() }, why: work.kind };
    }
  }
  for (const plan of [PLAN, HAND_OFF]) {
    for (const [stage, gate, passed] of [
      ['verify', 'check', ['check']],
      ['review', 'reviewer', ['check', 'reviewer']],
    ] as const) {
      for (const result of ['PASS', 'FAIL', 'BLOCK'] as const) {
        const ended: StageEnd = { kind: 'gate', gate, result, why: null };
        yield { facts: { stage, ended, plan, passed: new Set(result === 'PASS' ? passed : []) }, why: result };
      }
    }
  }
  for (const result of MERGES) {
    const ended: StageEnd = { kind: 'merge', result, why: null };
    yield { facts: { stage: 'merge', ended, plan: PLAN, passed: new Set() }, why: result };
  }
  yield { facts: { stage: 'handoff', ended: { kind: 'handed-off' }, plan: HAND_OFF, passed: new Set() }, why: 'done' };
}

function listWays(): Way[] {
  const ways: Way[] = [];
  for (const { facts, why } of listEnds()) {
    const [first, last] = SPENT.map((spent) => nameOf(decideStage({ ...facts, spent })));
    if (first !== undefined) ways.push({ from: facts.stage, to: first, why });
    if (last !== undefined && last !== first) ways.push({ from: facts.stage, to: last, why: `${why}, budget spent` });
  }
  return ways;
}

/** Returns the diagram of all stages. */
export function renderStages(): string {
  const arrows = new Map<string, Set<string>>();
  for (const { from, to, why } of listWays()) {
    const arrow = `${from} --> ${to}`;
    arrows.set(arrow, (arrows.get(arrow) ?? new Set()).add(why));
  }
  const lines = [...arrows].map(([arrow, whys]) => `  ${arrow}: ${[...whys].join(' / ')}`);
  return ['```mermaid', 'stateDiagram-v2', '  direction LR', '  [*] --> implement', ...lines, '```'].join('\n');
}

/** Returns the budgets with what each is for, as rows of a table. */
export function listBudgets(): string[][] {
  const { fixRounds, merges, commits, sameDiffs } = DEFAULT_BUDGETS;
  return [
    [
      '`fixRounds`',
      String(fixRounds),
      'rounds of fixing after a failed gate or review; then blocked with `fix_budget`',
    ],
    ['`merges`', String(merges), 'failed merges; then blocked with `merge_failed_final`'],
    ['`commits`', String(commits), 'times an agent is sent back only to commit; then blocked with `uncommitted_work`'],
    [
      '`sameDiffs`',
      String(sameDiffs),
      'times in a row with the very same changes; then blocked with `uncommitted_work`',
    ],
  ];
}
