/**
 * The store contract, in domain words; the only door to durable state. Every write is one transaction that holds the
 * guarded update of the row, its journal event and the new head of that subject's hash chain, and is answered only
 * after COMMIT and the witness. Writes of an owner carry the fence of its claim: an older fence is refused (`fenced`),
 * a state the transition table does not allow is refused (`state-conflict`), and nothing is changed.
 *
 * A full disk answers every request of the group with `storage-full`. An I/O error or a failed COMMIT has an unknown
 * outcome: the process exits without answering and recovery judges.
 */
import type { AccountStore } from './account-store.ts';
import type { BackupStore } from './backup-store.ts';
import type { DeliveryStore } from './delivery-store.ts';
import type { QuarantineStore } from './quarantine-store.ts';
import type { Service } from '../kernel/service.ts';
import type { Attempt, AttemptCore } from '../lifecycle/attempt.ts';
import type { JobCallback } from '../lifecycle/delivery.ts';
import type { AttemptLimits, Job, JobCore, Outcome, Pipeline } from '../lifecycle/job.ts';
import type { FilesStore } from './files-store.ts';
import type { RecoveryReport, PreviousStop } from '../lifecycle/report.ts';
import type { RetentionStore } from './retention-store.ts';
import type { RotationStore } from './rotation-store.ts';
import type { LedgerStore, StageResults } from './ledger-store.ts';
import type { OrphanStore } from './orphan-store.ts';
import type { ResourceStore } from './resource-store.ts';
import type { CreationRequest, PipelineSettings, Repository } from '../lifecycle/repository.ts';
import type { AttemptTransition, JobState, JobTransition } from '../lifecycle/transitions.ts';
import type { WaitingStore } from './waiting-store.ts';

export type { Account, TokenRow } from './account-store.ts';
export type { ClaimedDeliveries, DeliveryClaim, DeliveryQuery, DeliveryRecord } from './delivery-store.ts';
export type { StoreCheck } from './quarantine-store.ts';

export interface NewRepository {
  name: string;
  source: string;
  sourceKind: 'path' | 'url';
  base: string;
  verify: string[][];
  merge: boolean;
  trusted: boolean;
  concurrency: number;
  command: string[] | null;
  /** Absent means the defaults. */
  pipeline?: PipelineSettings | null;
  push?: string | null;
  /** Same key and principal with the same hash gives the first one; another hash is `idempotency-conflict`. */
  request?: CreationRequest | null;
}

export type RepositoryPatch = Partial<
  Pick<
    Repository,
    | 'base'
    | 'verify'
    | 'merge'
    | 'pipeline'
    | 'push'
    | 'trusted'
    | 'concurrency'
    | 'command'
    | 'cloneState'
    | 'unavailable'
    | 'trouble'
  >
>;

export interface NewJob {
  repository: string;
  /** Further repositories, each once; absent for a job of one. */
  others?: string[];
  prompt: string;
  command: string[] | null;
  agent: string;
  /** `full` is for jobs of one repository; what it must pass is taken from that as it is now. */
  pipeline: Pipeline;
  /** The prompt is a packet in its canonical form; absent means it is not. */
  packet?: boolean;
  /** Paths and globs it may touch; absent means it has no surface, and a job of several repositories has none. */
  surface?: readonly string[];
  /**
   * Jobs it comes after: numbers, ids or unique prefixes, at most MAX_AFTER; absent for none. `job-not-found` for one that
   * is not there. While one of them has not ended it is `waiting`; one that failed already blocks it.
   */
  after?: readonly string[];
  /** Why nobody could do or judge the work: the job is accepted and blocked. */
  weak?: string;
  priority: number;
  onInterrupt: 'continue' | 'ask';
  limits: AttemptLimits;
  deadlineMs: number | null;
  /** False leaves it `created`, out of the queue. */
  start: boolean;
  principal: string;
  /** Who is told of its ways, checked by the caller; absent means nobody. */
  callbacks?: JobCallback[];
  /** Same key and principal with the same `requestSha256` gives the first job; another hash is `idempotency-conflict`. */
  idempotency: { key: string; requestSha256: string } | null;
}

/** Fields of a job an owner may set beside a transition or alone; all journalled. */
export type JobPatch = Partial<
  Pick<
    JobCore,
    | 'sessionId'
    | 'workspaceState'
    | 'workspaceRemovedAt'
    | 'baseCommit'
    | 'otherBases'
    | 'outputBytes'
    | 'transcriptSha256'
    | 'reason'
    | 'blocker'
    | 'exitCode'
    | 'exitSignal'
    | 'startedAt'
    | 'cancelRequestedAt'
    | 'stage'
    | 'step'
  >
> & { outcome?: Outcome | null };

export interface JobMove {
  id: string;
  transition: JobTransition;
  /** Required of an owner; null for an operator's transition (start, cancel of an unclaimed job, retry). */
  fence: number | null;
  set?: JobPatch;
  /** Of an `advance`: it opens a new epoch, in which nothing is passed yet. */
  newEpoch?: boolean;
  /** Recorded in the same transaction, for the epoch the job is in before the move. */
  results?: StageResults;
  actor: string;
}

export interface NewAttempt {
  jobId: string;
  fence: number;
  mode: 'warm' | 'cold';
  sessionId: string | null;
  /** Model its agent is set to; absent where the agent chooses. */
  model?: string | null;
  boot: string;
}

export type AttemptPatch = Partial<
  Pick<
    AttemptCore,
    | 'agent'
    | 'keeper'
    | 'startedAt'
    | 'sessionId'
    | 'verdict'
    | 'exitCode'
    | 'exitSignal'
    | 'stoppedBy'
    | 'outputBytes'
    | 'outputSha256'
    | 'stderrSha256'
    | 'evidenceLevel'
    | 'note'
  >
>;

export interface AttemptMove {
  id: string;
  transition: AttemptTransition;
  fence: number;
  set?: AttemptPatch;
  actor: string;
}

export interface Page<T> {
  items: T[];
  /** Opaque; null on the last page. */
  nextCursor: string | null;
}

export interface JobQuery {
  state?: JobState;
  repository?: string;
  cursor?: string;
  /** Only jobs with a smaller number. */
  before?: number;
  /** At most 200. */
  limit?: number;
}

/** One journal row. `seq` grows over the whole store; `hash` covers the row and the previous hash of its subject. */
export interface JournalEvent {
  seq: number;
  /** Milliseconds since 1970. */
  at: number;
  actor: string;
  /** `job.claim`, `attempt.finish`, `repository.update`, `boot.start`, … */
  kind: string;
  /** Id of the job, else repository or boot, whose chain this row belongs to. */
  subject: string;
  jobId: string | null;
  attemptId: string | null;
  /** Field → new value of each changed field: replaying all gives the rows; absent in a row's first event means null. */
  data: Record<string, unknown>;
  hash: string;
}

export interface EventQuery {
  /** Events after this sequence. */
  after: number;
  jobId?: string;
  limit: number;
}

export interface Boot {
  id: string;
  previousId: string | null;
  /** Kernel boot id of the host at that start. */
  hostBoot: string;
  /** Random id of this home's host at that start: a second copy of what the file `host` says. */
  host: string | null;
  pid: number;
  startedAt: number;
  /** Null while it has not ended its recovery. */
  readyAt: number | null;
  /** Set by a graceful stop only. */
  stoppedAt: number | null;
  previousStop: PreviousStop;
  report: RecoveryReport | null;
}

export interface Store
  extends
    Service,
    WaitingStore,
    QuarantineStore,
    ResourceStore,
    OrphanStore,
    FilesStore,
    LedgerStore,
    RetentionStore,
    DeliveryStore,
    BackupStore,
    RotationStore,
    AccountStore {
  // repositories
  addRepository(input: NewRepository): Promise<{ repository: Repository; replayed: boolean }>;
  getRepository(name: string): Promise<Repository | null>;
  listRepositories(): Promise<Repository[]>;
  updateRepository(name: string, patch: RepositoryPatch, actor: string): Promise<Repository>;
  /** Refused with `repository-busy` while a job of it is not terminal. */
  removeRepository(name: string, actor: string): Promise<void>;
  /** Ids whose row is removed and whose files may still be there: a removal goes on from here after a crash. */
  listRemovals(): Promise<string[]>;
  /** Records that nothing of a removed id is left on disk; throws `not-found` when it was not removed. */
  finishRemoval(id: string): Promise<void>;

  // jobs
  acceptJob(input: NewJob): Promise<{ job: Job; replayed: boolean }>;
  getJob(id: string): Promise<Job | null>;
  /** By number, id, or unique prefix of an id. Throws `ambiguous-id`; null when nothing fits. */
  findJob(reference: string): Promise<Job | null>;
  getPrompt(sha256: string): Promise<string | null>;
  /** Newest first. */
  listJobs(query: JobQuery): Promise<Page<Job>>;
  /** In queue order: priority, then sequence. */
  listQueue(limit: number): Promise<Job[]>;
  /** Jobs in `preparing` or `running`, by number. Reads an index of live work only. */
  listActiveJobs(): Promise<Job[]>;
  /** From 1; null when the job is not queued. */
  getQueuePosition(id: string): Promise<number | null>;
  countJobsByState(): Promise<Record<JobState, number>>;
  /**
   * Carries out a transition; `claim` and `launch` have doors of their own (`claimJobs`, `intendAttempt`), `wait` and
   * `enqueue` follow from where the jobs are it comes after: `start` of a held job, `retry` and `release` make it wait for
   * those that have not ended, and the end of one carries on who waits for it, in the same transaction. Without a fence only
   * a job nobody owns is moved. A `requeue` or `interrupt` of a job with a recorded wish to cancel ends it
   * `cancelled` instead: the wish may have crossed its owner's decision, and nothing of it lives.
   */
  moveJob(move: JobMove): Promise<Job>;
  /**
   * Changes fields without a transition; refused by `fenced` when the fence is older than the job's, and by
   * `state-conflict` where it would change how an ended job ended.
   */
  noteJob(note: { id: string; fence: number | null; set: JobPatch; actor: string }): Promise<Job>;
  /**
   * Sets or clears the flag that keeps a job from being claimed; what was claimed goes on. A frozen job stays frozen through
   * every transition until it is unfrozen. Throws `state-conflict` for a job that has ended and would be frozen.
   */
  freezeJob(freeze: { id: string; frozen: boolean; actor: string }): Promise<Job>;
  /** Appends a warning to the history of a job at work; changes nothing of it. Refused like `noteJob`. */
  warnJob(warning: { id: string; fence: number; warning: string; actor: string }): Promise<Job>;
  /** Records the wish to cancel; ends an unclaimed job at once, else its owner does. No effect on a terminal job but `state-conflict`. */
  requestCancel(id: string, actor: string): Promise<Job>;
  /**
   * Claims up to `max` queued jobs in order, each under a new fence, honouring `hostLimit` over all active jobs and each
   * repository's concurrency; skips frozen jobs, unavailable repositories, and jobs that need a fetch from a source in
   * trouble. A job of several repositories gets a place in all of them or in none (lifecycle/choose-claims.ts).
   * One that was there when the store was opened is verified first: damaged, it is quarantined instead, and returned so.
   */
  claimJobs(claim: { boot: string; hostLimit: number; max: number }): Promise<Job[]>;

  // attempts
  /** Makes attempt n+1 in state `intended` and moves the job to `running` (transition `launch`), in one transaction. */
  intendAttempt(input: NewAttempt): Promise<{ job: Job; attempt: Attempt }>;
  getAttempt(jobId: string, number: number): Promise<Attempt | null>;
  listAttempts(jobId: string): Promise<Attempt[]>;
  /** Attempts in `intended` or `running`. */
  listLiveAttempts(): Promise<Attempt[]>;
  moveAttempt(move: AttemptMove): Promise<Attempt>;
  /** Ends an attempt and moves its job in one transaction. */
  settleAttempt(attempt: AttemptMove, job: JobMove): Promise<{ job: Job; attempt: Attempt }>;
  /** Attempts of this lineage and epoch that ended `interrupted` at or after `since`, those we stopped ourselves apart. */
  countInterrupted(lineage: string, epoch: number, since: number): Promise<number>;

  // journal
  listEvents(query: EventQuery): Promise<JournalEvent[]>;
  getLastSeq(): Promise<number>;
  /** Calls back after every commit that wrote events, in order; returns the way to stop. */
  onCommit(listener: (events: JournalEvent[]) => void): () => void;

  // boots
  recordBoot(boot: Omit<Boot, 'readyAt' | 'stoppedAt' | 'report'>): Promise<void>;
  updateBoot(
    id: string,
    patch: Partial<Pick<Boot, 'readyAt' | 'stoppedAt' | 'report' | 'previousStop'>>,
    /**
     * Urls that are told, in the same transaction: `server.recovered` by the first report of the start, and
     * `server.corrupted` by the first one that raises the alert.
     */
    callbacks?: readonly string[],
  ): Promise<void>;
  /** Newest first, at most `KEPT_BOOTS`; older ones are dropped when a boot is recorded. */
  listBoots(): Promise<Boot[]>;

  /** Sizes and timings for the metrics. */
  stats(): Promise<{
    lastSeq: number;
    databaseBytes: number;
    commits: number;
    commitMsP50: number;
    commitMsP99: number;
  }>;
}
