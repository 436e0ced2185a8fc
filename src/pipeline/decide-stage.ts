/**
 * What follows in the pipeline of a job: one pure function of the stage that ended, the gates recorded in this epoch, and
 * the budgets. Nothing an agent printed is among its facts: a stage is passed by a recorded result or not at all.
 */
import type { Reason } from '../lifecycle/job.ts';
import { nextGate } from '../lifecycle/plan.ts';
import type { Decision, StageEnd, StageFacts, Work } from '../lifecycle/stage-decision.ts';
import type { Stage } from '../lifecycle/stage.ts';

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
      return decideHandedOff(facts);
  }
}

/** Nothing is called good on words alone: without any gate it is for a person to look at. */
function decideHandedOff({ plan, spent }: StageFacts): Decision {
  if (plan.verify.length + plan.reviewers.length > 0) return { kind: 'ready', reason: null, blocker: null, spent };
  const blocker = 'nothing has checked it: its repository has neither gates nor reviewers';
  return { kind: 'ready', reason: 'manual_review', blocker, spent };
}

function go(facts: StageFacts, next: { stage: Stage } & Partial<Extract<Decision, { kind: 'go' }>>): Decision {
  return { kind: 'go', gate: null, task: null, newEpoch: false, spent: facts.spent, ...next };
}

function block(facts: StageFacts, reason: Reason, blocker: string): Decision {
  return { kind: 'block', reason, blocker, spent: facts.spent };
}

function decideWork(facts: StageFacts, work: Work): Decision {
  const { spent, stage } = facts;
  const { budgets } = facts.plan;
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
  const { spent } = facts;
  const { budgets } = facts.plan;
  if (spent.fixRounds >= budgets.fixRounds) {
    return block(facts, 'fix_budget', `${why}; ${spent.fixRounds} rounds of fixing did not help`);
  }
  return go(facts, { stage: 'fix', task: 'fix', spent: { ...spent, fixRounds: spent.fixRounds + 1 } });
}

/** Goes to the first gate that is not passed; past all of them to the end. New work opens a new epoch. */
function afterGates(facts: StageFacts): Decision {
  return go(facts, { ...nextGate(facts.plan, facts.passed), newEpoch: facts.ended.kind === 'work' });
}

function decideMerge(facts: StageFacts, ended: Extract<StageEnd, { kind: 'merge' }>): Decision {
  const { spent } = facts;
  const { budgets } = facts.plan;
  const why = ended.why ?? 'no reason is known';
  const after = { ...spent, merges: spent.merges + 1 };
  switch (ended.result) {
    case 'prepared':
    case 'gate-passed': {
      const gate = facts.plan.verify.find(({ name }) => !facts.passed.has(name));
      return go(facts, { stage: 'merge', gate: gate?.name ?? null });
    }
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
