import type { JobCallback } from './delivery.ts';
import type { Plan, Stage, Step } from './stage.ts';
import type { JobState } from './transitions.ts';

export const PIPELINES = ['implement', 'full'] as const;
/** The stages a job walks: `implement` alone, or all of them up to hand-off or merge. */
export type Pipeline = (typeof PIPELINES)[number];

/** How a job ended; null while it has not. */
export type Outcome = 'success' | 'failure' | 'cancelled' | 'timed_out';

/** Why a job is where it is; one word for programs, `blocker` is the sentence for people. */
export type Reason =
  | 'exit_code'
  | 'agent_error'
  | 'api_error'
  | 'wall_limit'
  | 'idle_limit'
  | 'output_limit'
  | 'cancelled_by_client'
  | 'crash_loop'
  | 'fix_config'
  | 'free_disk'
  | 'workspace_failed'
  | 'source_unreachable'
  | 'needs_human'
  | 'record_corrupt'
  | 'workspace_unsafe'
  | 'restored'
  | 'weak_packet'
  | 'dependency_failed'
  | 'no_changes'
  | 'uncommitted_work'
  | 'work_unusable'
  | 'gate_blocked'
  | 'fix_budget'
  | 'manual_review'
  | 'push_failed'
  | 'merge_held'
  | 'empty_merge'
  | 'merge_refused'
  | 'merge_failed_final';

/** What every job has, whatever its state. Times are milliseconds since 1970, spans milliseconds. */
export interface JobCore {
  id: string;
  number: number;
  /** Name of the repository it works on, of several the first. */
  repository: string;
  /** The further repositories, in the order the client named them; null for a job of one. */
  others: string[] | null;
  /** Commits the workspaces of `others` were made from, in their order; null while none is known. */
  otherBases: (string | null)[] | null;
  /** Ids of the jobs it comes after, as they were when it was accepted; null for none. */
  after: string[] | null;
  /** Those of them it still waits for, until it has its place in the queue; null for none. */
  awaits: string[] | null;
  /** How often a later job took a place in one of its repositories while it waited for all of them; null for never. */
  overtaken: number | null;
  /** sha256 of the prompt or packet; the text is `Store.getPrompt`. */
  promptSha256: string;
  /** True where the text is a packet in its canonical form, else null. */
  packet: true | null;
  /** Paths and globs it may touch, of its packet (lifecycle/surface.ts); null for a job that names none. */
  surface: string[] | null;
  /** argv of agent `exec`, else null. */
  command: string[] | null;
  agent: string;
  pipeline: Pipeline;
  stage: Stage;
  /** What it must pass and where it is; null in a job of the stage `implement` alone. */
  plan: Plan | null;
  step: Step | null;
  /** Round of work: grows by one with every round of verification, and with every operator action that reopens it. */
  epoch: number;
  frozen: boolean;
  priority: number;
  /** Grows by one with every claim; a write with an older fence is refused. */
  fence: number;
  /** Attempts recorded so far: the number of the newest. */
  attempts: number;
  onInterrupt: 'continue' | 'ask';
  /** The agent's conversation id, once known. */
  sessionId: string | null;
  workspaceState: 'none' | 'preparing' | 'ready';
  /**
   * When retention began to remove its workspace, whose trees were saved before; null when it has not, or the workspace was
   * made again since. `preparing` beside it in an ended job: the removal is under way; `none`: nothing of it is left.
   */
  workspaceRemovedAt: number | null;
  /** Commit the workspace was made from. */
  baseCommit: string | null;
  /** sha256 of its transcript as its last attempt left it; null before that, and where it could not be kept. */
  transcriptSha256: string | null;
  /** Bytes of stdout recorded when last looked at. */
  outputBytes: number;
  cancelRequestedAt: number | null;
  limits: AttemptLimits;
  /** Wall-clock end after which it is timed out, counted from acceptance by its own server's clock. */
  deadlineMs: number | null;
  /** Principal that sent it; `local` for the token file. */
  principal: string;
  /** First job of the chain of jobs that stand for the same work; crash loops are counted by it. */
  lineage: string;
  reason: Reason | null;
  blocker: string | null;
  exitCode: number | null;
  exitSignal: string | null;
  queueSeq: number | null;
  createdAt: number;
  queuedAt: number | null;
  startedAt: number | null;
  finishedAt: number | null;
  /** Boot that claimed it last. */
  claimedBy: string | null;
  /** Who is told of its ways; null for nobody. */
  callbacks: JobCallback[] | null;
  version: number;
}

/** Limits the keeper enforces on one attempt, also while no server lives. */
export interface AttemptLimits {
  wallMs: number;
  idleMs: number;
  outputBytes: number;
}

/** Defaults of the design (03 · Stopping and limits). */
export const DEFAULT_LIMITS: AttemptLimits = { wallMs: 6 * 3_600_000, idleMs: 30 * 60_000, outputBytes: 2 ** 30 };

interface Placed {
  queueSeq: number;
  queuedAt: number;
}
interface Claimed extends Placed {
  claimedBy: string;
}
interface Ended {
  outcome: Outcome;
  finishedAt: number;
}

/** A job: each state carries exactly the data valid in it. */
export type Job = JobCore &
  (
    | { state: 'created'; outcome: null; queueSeq: null }
    | { state: 'waiting'; outcome: null; queueSeq: null; awaits: string[] }
    | ({ state: 'queued'; outcome: null } & Placed)
    | ({ state: 'preparing'; outcome: null } & Claimed)
    | ({ state: 'running'; outcome: null } & Claimed)
    | { state: 'blocked'; outcome: null; reason: Reason; blocker: string }
    | { state: 'quarantined'; outcome: null; reason: Reason; blocker: string }
    | ({ state: 'ready' | 'completed' | 'failed' | 'cancelled' | 'timed_out' } & Ended)
  );

export type JobIn<S extends JobState> = Extract<Job, { state: S }>;

/** Returns the names of all repositories a job works on, the first one first. */
export function repositoriesOf(job: Pick<JobCore, 'repository' | 'others'>): string[] {
  return [job.repository, ...(job.others ?? [])];
}

/** Returns the commit the workspace of one of its repositories was made from, or null while it is not known. */
export function baseOf(
  job: Pick<JobCore, 'repository' | 'others' | 'baseCommit' | 'otherBases'>,
  repository: string,
): string | null {
  if (repository === job.repository) return job.baseCommit;
  return job.otherBases?.[job.others?.indexOf(repository) ?? -1] ?? null;
}

/**
 * Whether what a job does next asks the source of one of its repositories: until it knows where to begin, and while it is
 * merged. The gates of a merge run on what the mirror has.
 */
export function needsSource(
  job: Pick<JobCore, 'repository' | 'others' | 'baseCommit' | 'otherBases' | 'stage' | 'step'>,
  repository: string,
): boolean {
  if (baseOf(job, repository) === null) return true;
  return job.stage === 'merge' && (job.step?.gate ?? null) === null;
}

/** Most repositories one job may name: each is fetched and copied before it starts. */
export const MAX_REPOSITORIES = 16;

/** Longest prompt in bytes (issue of the batch requirement: refuse above 1 MiB). */
export const MAX_PROMPT_BYTES = 2 ** 20;
