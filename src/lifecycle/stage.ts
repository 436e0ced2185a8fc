/** The vocabulary of the pipeline: stages, gates and what is counted against budgets. */

/** The steps of a job, in their order; `fix` leads back to `verify`. */
export const STAGES = ['implement', 'verify', 'review', 'fix', 'merge', 'handoff'] as const;
export type Stage = (typeof STAGES)[number];

export const GATE_RESULTS = ['PASS', 'FAIL', 'BLOCK'] as const;
/** BLOCK: there is no result, and a person must find out why. */
export type GateResult = (typeof GATE_RESULTS)[number];

/** What an agent is asked to do: the work itself, committing what it left, fixing what a gate found, resolving a conflict, reviewing. */
export type StageTask = 'work' | 'commit' | 'fix' | 'resolve' | 'review';

/** What a job must pass, fixed when it is accepted. */
export interface Plan {
  /** Names of the gate commands, in their order. */
  verify: readonly string[];
  /** Names of the reviewers, in their order. */
  reviewers: readonly string[];
  /** Whether it is merged; else it is handed off. */
  merge: boolean;
}

/** What a job has used of its budgets since it was accepted or last reopened by an operator. */
export interface Spent {
  fixRounds: number;
  merges: number;
  conflictFixes: number;
  /** Times an agent was sent back to commit, and how often in a row with the same changes. */
  commits: number;
  sameDiffs: number;
  diffSha256: string | null;
}

export const NOTHING_SPENT: Spent = {
  fixRounds: 0,
  merges: 0,
  conflictFixes: 0,
  commits: 0,
  sameDiffs: 0,
  diffSha256: null,
};
