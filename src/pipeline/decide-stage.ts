/**
 * What follows in the pipeline of a job: one pure function of the stage that ended, the gates recorded in this epoch, and
 * the budgets. Nothing an agent printed is among its facts: a stage is passed by a recorded result or not at all.
 */
import type { GateResult, Plan, Spent, Stage, StageTask } from '../lifecycle/stage.ts';
import type { Reason } from '../lifecycle/job.ts';

/** What the agent of a working stage left in the workspace, as git shows it. */
export type Work =
  /** Everything is in commits that stand on the base. */
  | { kind: 'committed' }
  /** Some of it is not committed; `diffSha256` tells whether it is the same as the last time. */
  | { kind: 'uncommitted'; diffSha256: string }
  | { kind: 'empty' }
  /** Its history cannot be handed on as it is: rewritten below the base, or the repository in it is gone. */
  | { kind: 'unusable'; why: string };

/** How a stage ended. An interrupted attempt ends nothing: its stage goes on with the next attempt. */
export type StageEnd =
  | { kind: 'work'; work: Work }
  | { kind: 'gate'; gate: string; result: GateResult; why: string | null }
  | { kind: 'merge'; result: MergeResult; why: string | null }
  | { kind: 'handed-off' };

/** `moved`: somebody else advanced the base first. `held`: the target may not be advanced now, by a person's state. */
export type MergeResult = 'merged' | 'conflict' | 'gate-failed' | 'moved' | 'held' | 'empty' | 'refused';

export interface StageFacts {
  stage: Stage;
  ended: StageEnd;
  plan: Plan;
  /** Gates of this epoch that are recorded as passed, the one that just ended included. */
  passed: ReadonlySet<string>;
  spent: Spent;
  budgets: Budgets;
}

export interface Budgets {
  /** Rounds of fixing after a failed gate. */
  fixRounds: number;
  /** Failed merges. */
  merges: number;
  /** Times an agent is sent back to commit what it left, in all, and with the very same diff. */
  commits: number;
  sameDiffs: number;
}

/** 04 · Budgets. */
export const DEFAULT_BUDGETS: Budgets = { fixRounds: 2, merges: 3, commits: 8, sameDiffs: 3 };

export type Decision =
  | {
      kind: 'go';
      stage: Stage;
      /** Gate to run, in the stages that have several; else null. */
      gate: string | null;
      /** What the agent is asked to do, in the stages that have one; else null. */
      task: StageTask | null;
      /** A new round: results recorded so far open nothing any more. */
      newEpoch: boolean;
      spent: Spent;
    }
  | { kind: 'ready'; reason: Reason | null; blocker: string | null; spent: Spent }
  | { kind: 'complete'; spent: Spent }
  | { kind: 'block'; reason: Reason; blocker: string; spent: Spent };

/** Returns what follows. */
export function decideStage(facts: StageFacts): Decision {
  const { ended } = facts;
  switch (ended.kind) {
    case 'work':
      return decideWork(facts, ended.work);
    case 'gate':
      return decideGate(facts, ended);
    case 'merge':
      return decideMerge(facts, ended);
    case 'handed-off':
      return { kind: 'ready', reason: null, blocker: null, spent: facts.spent };
  }
}

function go(facts: StageFacts, next: { stage: Stage } & Partial<Extract<Decision, { kind: 'go' }>>): Decision {
  return { kind: 'go', gate: null, task: null, newEpoch: false, spent: facts.spent, ...next };
}

function block(facts: StageFacts, reason: Reason, blocker: string): Decision {
  return { kind: 'block', reason, blocker, spent: facts.spent };
}

function decideWork(facts: StageFacts, work: Work): Decision {
  const { spent, budgets, stage } = facts;
  switch (work.kind) {
    case 'unusable':
      return block(facts, 'work_unusable', work.why);
    case 'empty':
      return block(facts, 'no_changes', 'the agent ended without having changed anything');
    case 'committed':
      return afterGates({
        ...facts,
        passed: new Set(),
        spent: { ...spent, commits: 0, sameDiffs: 0, diffSha256: null },
      });
    case 'uncommitted': {
      const isSame = spent.diffSha256 === work.diffSha256;
      const sameDiffs = isSame ? spent.sameDiffs + 1 : 1;
      const after = { ...spent, commits: spent.commits + 1, sameDiffs, diffSha256: work.diffSha256 };
      if (sameDiffs >= budgets.sameDiffs || spent.commits >= budgets.commits) {
        const why =
          sameDiffs >= budgets.sameDiffs ? `${sameDiffs} times the same changes` : `${spent.commits} times changes`;
        return block(
          { ...facts, spent: after },
          'uncommitted_work',
          `the agent left ${why} uncommitted; they are saved`,
        );
      }
      return go(facts, { stage, task: 'commit', spent: after });
    }
  }
}

function decideGate(facts: StageFacts, ended: Extract<StageEnd, { kind: 'gate' }>): Decision {
  switch (ended.result) {
    case 'PASS':
      return afterGates(facts);
    case 'FAIL':
      return fixOrBlock(facts, `${ended.gate} failed${ended.why === null ? '' : `: ${ended.why}`}`);
    case 'BLOCK':
      return block(facts, 'gate_blocked', `${ended.gate} has no result: ${ended.why ?? 'it was not decided'}`);
  }
}

function fixOrBlock(facts: StageFacts, why: string): Decision {
  const { spent, budgets } = facts;
  if (spent.fixRounds >= budgets.fixRounds) {
    return block(facts, 'fix_budget', `${why}; ${spent.fixRounds} rounds of fixing did not help`);
  }
  return go(facts, { stage: 'fix', task: 'fix', spent: { ...spent, fixRounds: spent.fixRounds + 1 } });
}

/** Goes to the first gate that is not passed; past all of them to the end. New work opens a new epoch. */
function afterGates(facts: StageFacts): Decision {
  const { plan, passed } = facts;
  const newEpoch = facts.ended.kind === 'work';
  const verify = plan.verify.find((gate) => !passed.has(gate));
  if (verify !== undefined) return go(facts, { stage: 'verify', gate: verify, newEpoch });
  const review = plan.reviewers.find((gate) => !passed.has(gate));
  if (review !== undefined) return go(facts, { stage: 'review', gate: review, task: 'review', newEpoch });
  return go(facts, { stage: plan.merge && hasGates(plan) ? 'merge' : 'handoff', newEpoch });
}

/** Whether anything but words vouches for the work. */
function hasGates(plan: Plan): boolean {
  return plan.verify.length + plan.reviewers.length > 0;
}

function decideMerge(facts: StageFacts, ended: Extract<StageEnd, { kind: 'merge' }>): Decision {
  const { spent, budgets } = facts;
  const why = ended.why ?? 'no reason is known';
  const after = { ...spent, merges: spent.merges + 1 };
  switch (ended.result) {
    case 'merged':
      return { kind: 'complete', spent };
    case 'moved':
      // Somebody else was first: nobody's failure.
      return go(facts, { stage: 'merge' });
    case 'held':
      return { kind: 'ready', reason: 'merge_held', blocker: why, spent };
    case 'empty':
      return block(facts, 'empty_merge', why);
    case 'refused':
      return block(facts, 'merge_refused', why);
    case 'conflict':
      if (after.merges >= budgets.merges) return block({ ...facts, spent: after }, 'merge_failed_final', why);
      if (spent.conflictFixes > 0) return go(facts, { stage: 'merge', spent: after });
      return go(facts, { stage: 'fix', task: 'resolve', spent: { ...after, conflictFixes: 1 } });
    case 'gate-failed':
      if (after.merges >= budgets.merges) return block({ ...facts, spent: after }, 'merge_failed_final', why);
      return go(facts, { stage: 'merge', spent: after });
  }
}
