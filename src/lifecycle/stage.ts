import type { AttemptLimits } from './job.ts';

/** The vocabulary of the pipeline: stages, gates and what is counted against budgets. */

/** The steps of a job, in their order; `fix` leads back to `verify`. */
export const STAGES = ['implement', 'verify', 'review', 'fix', 'merge', 'handoff'] as const;
export type Stage = (typeof STAGES)[number];

/** Whether the agent of the job works on it in this stage. */
export function isWork(stage: Stage): boolean {
  return stage === 'implement' || stage === 'fix';
}

/** Whether an attempt runs a command the operator registered, and no agent. */
export function isGateCommand(attempt: { stage: Stage }): boolean {
  return attempt.stage === 'verify' || attempt.stage === 'merge';
}

export const GATE_RESULTS = ['PASS', 'FAIL', 'BLOCK'] as const;
/** BLOCK: there is no result, and a person must find out why. */
export type GateResult = (typeof GATE_RESULTS)[number];

/** What an agent is asked to do: the work itself, committing what it left, fixing what a gate found, resolving a conflict, reviewing. */
export const STAGE_TASKS = ['work', 'commit', 'fix', 'resolve', 'review'] as const;
export type StageTask = (typeof STAGE_TASKS)[number];

export interface GateCommand {
  /** Unique in the plan; what the ledger names it by. */
  name: string;
  /** As the operator registered it. */
  argv: readonly string[];
}

export interface Reviewer {
  /** Unique in the plan. */
  name: string;
  /** Agent that reviews. */
  agent: string;
  /** What it is to look at beside what every reviewer is told; null for nothing. */
  instructions: string | null;
  /** A PASS with a lower score (0 to 100) is a failure. */
  leastScore: number;
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

/**
 * What a job must pass: taken from the registration of its repository when it is accepted and when an operator reopens
 * it, never from a prompt, a packet or the agent's files.
 */
export interface Plan {
  /** In their order. */
  verify: readonly GateCommand[];
  reviewers: readonly Reviewer[];
  /** Whether it is merged; else it is handed off. */
  merge: boolean;
  budgets: Budgets;
  /** Where the branch of a hand-off is pushed to; absent for nowhere. */
  push?: string;
  /** Of one run of a gate command. */
  gateLimits: AttemptLimits;
  /** Where its gates leave JUnit XML, relative to where they run; absent for nowhere. */
  reports?: readonly string[];
}

/** Names of failing tests a summary has at most. */
export const MAX_FAILING = 20;

/** What the tests of a gate came to, as it told itself: for people and for the fix; its exit code alone decides. */
export interface TestSummary {
  format: 'tap' | 'junit';
  tests: number;
  passed: number;
  failed: number;
  skipped: number;
  /** The first names of those that failed. */
  failing: string[];
}

/** Where in its stage a job is. */
export interface Step {
  /** Gate that is being passed, in the stages that have several; else null. */
  gate: string | null;
  /** What an agent is asked to do, in the stages that have one; else null. */
  task: StageTask | null;
  /** Commit in the mirror that is verified, reviewed and handed on; null while there is none of this epoch. */
  candidate: string | null;
  /** The merge that is under way: the durable intent to move the base branch; null while there is none. */
  merge: MergeIntent | null;
  /** What came of the push of the hand-off; absent while there was none. */
  push?: PushRecord;
  /** The workspace that was set aside last; absent while there was none. */
  aside?: SetAside;
  /** Why it stood still when a person sent it back to its agent; absent once there is new work. */
  stopped?: string;
  spent: Spent;
}

/** A workspace that could not be worked in any more. Recorded before it is moved: what is not there yet is to be moved. */
export interface SetAside {
  /** Why it could not; one sentence. */
  why: string;
  /** Its name in `home.setAside`; null where nothing of it was left. */
  name: string | null;
  /** Ref in the mirror that holds its files as they lay there; null where they could not be read. */
  ref: string | null;
}

export interface PushRecord {
  target: string;
  /** Without `refs/heads/`. */
  branch: string;
  commit: string;
  /** Why it is not there; null for one that is. */
  why: string | null;
  /** How often it was tried by the server that recorded this; absent in records of one try. */
  tries?: number;
}

/** The base branch is to go from one commit to another, which stands on it. */
export interface MergeIntent {
  from: string;
  to: string;
  /** Ref in the mirror that keeps `to`. */
  ref: string;
  /** Gates the result has passed. */
  passed: readonly string[];
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

/** Where a job of the whole pipeline begins. */
export const FIRST_STEP: Step = { gate: null, task: 'work', candidate: null, merge: null, spent: NOTHING_SPENT };

/** A recorded result of a gate; it is never changed. */
export interface GateRecord {
  id: string;
  jobId: string;
  epoch: number;
  stage: Stage;
  gate: string;
  result: GateResult;
  /** One sentence; null where the result says it all. */
  why: string | null;
  /** Commit it is about. */
  candidate: string;
  /** Number of the attempt that produced it; null for one the server produced itself. */
  attempt: number | null;
  /** sha256 of the evidence it rests on. */
  evidence: string[];
  /** Null where it printed and left nothing that tells. */
  summary: TestSummary | null;
  recordedAt: number;
}

export const EVIDENCE_KINDS = ['output', 'verdict', 'junit', 'tap', 'patch', 'report', 'diff', 'merge'] as const;
export type EvidenceKind = (typeof EVIDENCE_KINDS)[number];

/** An immutable file of a job under its hash: `jobs/<id>/evidence/<sha256>`. */
export interface EvidenceRecord {
  id: string;
  jobId: string;
  sha256: string;
  kind: EvidenceKind;
  /** What it is called for people. */
  name: string;
  bytes: number;
  epoch: number;
  /** Number of the attempt that produced it; null for what the server produced itself. */
  attempt: number | null;
  recordedAt: number;
}
