/** What is asked and answered when a stage ended: the facts, as the evidence shows them, and what follows. */
import type { Reason } from './job.ts';
import type { GateResult, Plan, Spent, Stage, StageTask } from './stage.ts';

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

/**
 * `prepared`: a commit that stands on the base is there; `gate-passed`: it has passed one more gate. `moved`: somebody else
 * advanced the base first. `held`: the target may not be advanced now, by a person's state.
 */
export type MergeResult =
  | 'prepared'
  | 'gate-passed'
  | 'merged'
  | 'conflict'
  | 'gate-failed'
  | 'moved'
  | 'held'
  | 'empty'
  | 'refused';

export interface StageFacts {
  stage: Stage;
  ended: StageEnd;
  plan: Plan;
  /** Gates that are recorded as passed, the one that just ended included: of this epoch, or by the result of a merge. */
  passed: ReadonlySet<string>;
  spent: Spent;
}

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
