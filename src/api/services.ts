/**
 * What the routes need from the rest of the server, as a port: the composition root fills it. Routes never reach into
 * the keeper, a workspace or an agent themselves.
 */
import type { Readable } from 'node:stream';
import type { Backup } from '../lifecycle/backup.ts';
import type { BackupProgress } from '../recovery/backup/collect.ts';
import type { NewBackup } from '../store/backup-store.ts';
import type { Clock } from '../kernel/clock.ts';
import type { Attempt } from '../lifecycle/attempt.ts';
import type { Home } from '../lifecycle/home.ts';
import type { AttemptLimits, Job } from '../lifecycle/job.ts';
import type { JobFile } from '../lifecycle/job-file.ts';
import type { NextSafeAction, RecoveryReport } from '../lifecycle/report.ts';
import type { KeptUntil } from '../lifecycle/retention.ts';
import type { PipelineSettings, CreationRequest, Repository } from '../lifecycle/repository.ts';
import type { DiskState } from '../queue/disk-level.ts';
import type { Resource, ResourceKind } from '../lifecycle/resource.ts';
import type { OrphanList } from '../recovery/orphan-keeper.ts';
import type { RepairOutcome } from '../recovery/orphans/repair.ts';
import type { Statistics } from '../statistics/statistics.ts';
import type { Store } from '../store/store.ts';
import type { StreamStats } from './stream-stats.ts';
import type { MetricView } from './batch/admin-contract.ts';

export interface RegisterRepository {
  name?: string;
  source: string;
  base?: string;
  verify?: string[][];
  merge?: boolean;
  pipeline?: PipelineSettings | null;
  push?: string | null;
  trusted?: boolean;
  concurrency?: number;
  command?: string[] | null;
  request?: CreationRequest | null;
}

export interface RegisterResource {
  job: Job;
  kind: ResourceKind;
  target: string;
  principal: string;
  /** The job's own token asks. */
  byJob: boolean;
  /** What a repetition is known by; null without a key. */
  request?: CreationRequest | null;
}

export interface DoctorCheck {
  name: string;
  ok: boolean;
  /** `fail` makes the command exit 1, `warn` does not. */
  level: 'ok' | 'warn' | 'fail';
  detail: string;
  hint: string | null;
  /** Present where the check is about one damaged thing. */
  finding?: DoctorFinding;
}

/** Something damaged: what it is, what shows it, and what to do next. */
export interface DoctorFinding {
  kind: string;
  name: string;
  why: string;
  /** Path of the file that shows it. */
  evidence: string;
  nextSafeAction: NextSafeAction;
  command: string | null;
}

/** Names an attempt, and so its run directory. */
export type AttemptRef = Pick<Attempt, 'jobId' | 'number'>;

/** What a keeper says of its attempt every few seconds: for people, proof of nothing. */
export interface Heartbeat {
  lastHeartbeatAt: number;
  /** By age: below 2 minutes, below 10, older. */
  health: 'fresh' | 'stale' | 'dead';
  pid: number;
  startTime: string;
  agent: string;
  sessionId: string | null;
  outputBytes: number;
}

/** A file on its way in. */
export interface IncomingFile {
  name: string;
  /** It may take the place of a file of the repository with the same name. */
  overwrite: boolean;
  /** What the client said before it began, or null. */
  declaredBytes: number | null;
  source: AsyncIterable<Uint8Array>;
}

export interface Services {
  store: Store;
  clock: Clock;
  home: Home;
  version: string;
  bootId: string;
  /** Counts of the event streams, kept by whoever serves them. */
  streamStats: StreamStats;
  /** Principal of a bearer token, or null. `job:<id>` for an agent's own-job token. */
  authenticate(token: string): Promise<{ principal: string; jobId: string | null } | null>;
  /** `degraded` names the resources this start could not make available, and `disk` while new work waits for space. */
  readiness(): { ready: boolean; phase: string; degraded: string[] };
  /** What the disk of the home allows now; null when it cannot be told. */
  admission(): Promise<DiskState | null>;
  defaults: {
    agent: string;
    limits: AttemptLimits;
    /** How long a login counts, milliseconds. */
    sessionMs: number;
  };
  /** Checks the source with git, registers it, and starts the first clone in the background. */
  registerRepository(input: RegisterRepository): Promise<{ repository: Repository; replayed: boolean }>;
  /** Removes a repository without unfinished jobs; `actor` is who asked. Throws `repository-busy`, `repository-not-found`. */
  removeRepository(name: string, actor: string): Promise<void>;
  /** Throws `unknown-agent`, `agent-missing`, `bad-prompt` or `bad-request` for a job the agent cannot take. */
  /** Throws `unknown-agent` for a reviewer no agent of this server can be. */
  validateReviewers(pipeline: PipelineSettings | null | undefined): void;
  /** Throws `source-refused`, `not-a-repository` for an address nothing may be pushed to. */
  validatePush(target: string | null | undefined): Promise<void>;
  validateJob(job: { agent: string; prompt: string; command: string[] | null }): Promise<void>;
  /** Throws `callback-refused` for a URL nothing may be sent to. */
  acceptCallback(url: string): Promise<void>;
  /** What messages are signed with; times are milliseconds since 1970. */
  callbackSecret(): { current: string; previous: { secret: string; until: number }[] };
  /** Makes a new secret and returns what is valid from now on. */
  rotateCallbackSecret(actor: string): Promise<{ current: string; previous: { secret: string; until: number }[] }>;
  agentNames(): string[];
  /** Takes a lock away for an operator. Throws `lock-held` while anything that may use it lives, `not-found`. */
  clearLock(key: string, actor: string): Promise<void>;
  /** Records the wish to cancel; a quarantined job is cancelled once nothing of it lives. Throws `state-conflict`. */
  cancelJob(job: Job, actor: string): Promise<Job>;
  /** Queues a quarantined job again, once nothing of it lives. Throws `job-not-found`, `state-conflict`, `record-corrupt`. */
  releaseJob(reference: string, actor: string): Promise<Job>;
  /** Removes an ended job with everything that belongs to it; its files may take a moment longer. Throws `state-conflict`, `gone`. */
  removeJob(job: Job, actor: string): Promise<void>;
  /** Unified diff of the workspace against its base commit, uncommitted and untracked files included. */
  diffJob(job: Job): Promise<string>;
  /** Its branch as a bundle of git; `shallow` names where its history ends. Throws `no-result`, `workspace-unsafe`. */
  bundleJob(job: Job): Promise<{ stream: Readable; shallow: string[] }>;
  /** What it changed, as a patch. Throws `no-result`, `result-too-large`, `workspace-unsafe`. */
  patchJob(job: Job): Promise<Buffer>;
  /**
   * Keeps a file for a held job, durably; `created` unless it had one of this name. Throws `bad-file-name`,
   * `payload-too-large`, `state-conflict`.
   */
  receiveFile(job: Job, incoming: IncomingFile, actor: string): Promise<{ file: JobFile; created: boolean }>;
  /** Takes a file of a held job back. Throws `not-found`, `state-conflict`. */
  dropFile(job: Job, name: string, actor: string): Promise<void>;
  /** The transcript of a job made from its rows and output as they are now. */
  renderTranscript(job: Job): AsyncIterable<string>;
  /** A piece of evidence, checked against its hash. Throws `evidence-corrupt`. */
  readEvidence(job: Job, sha256: string): Promise<Buffer>;
  /** Counts a transcript that is not the one that was recorded. */
  countTranscriptMismatch(job: Job): void;
  /** Absolute path of a stream's file; it may not exist yet. */
  outputPath(attempt: AttemptRef, stream: 'stdout' | 'stderr'): string;
  /** Absolute path of the heartbeat file of an attempt; it may not exist yet. */
  sentinelPath(attempt: AttemptRef): string;
  /** The heartbeat an attempt's keeper wrote last, or null when there is none that can be trusted. */
  readHeartbeat(attempt: AttemptRef & { id: string }): Promise<Heartbeat | null>;
  /** Whether the keeper of a running attempt lives and gives no sign of it. */
  isStalled(attempt: Attempt): Promise<boolean>;
  /** Calls back whenever the file of this attempt's stream may have grown; returns the way to stop. */
  watchOutput(attempt: Attempt, stream: 'stdout' | 'stderr', onGrowth: () => void): () => void;
  /** The report of this start while it runs and after. */
  currentReport(): RecoveryReport | null;
  doctor(options: { deep: boolean }): Promise<DoctorCheck[]>;
  /** What was counted of ended jobs. */
  statistics: Pick<Statistics, 'read' | 'durationsOf'>;
  /** Jobs of this host at work at once. */
  hostLimit: number;
  /** Until when an ended job and its workspace are kept. */
  keptUntil(job: Job): KeptUntil;
  /** Prometheus text. */
  metrics(): Promise<string>;
  /** The same as values. */
  metricValues(): Promise<MetricView[]>;
  /** Looks for what belongs to nothing any more; names at most `limit`. Changes nothing. */
  listOrphans(limit: number): Promise<OrphanList>;
  /** Acts on these and nothing else, or says what it would do. */
  repairOrphans(request: { ids: readonly string[]; dryRun: boolean; actor: string }): Promise<RepairOutcome[]>;
  /** Records the wish for a backup at an absolute path and begins it. Throws `bad-request`, `already-exists`, `state-conflict`. */
  beginBackup(request: NewBackup): Promise<{ backup: Backup; replayed: boolean }>;
  /** Waits for the end of a backup of this server, at most so many milliseconds; the error it failed with, or null. */
  awaitBackup(id: string, ms: number): Promise<Error | null>;
  progressOfBackup(id: string): BackupProgress | null;
  /** Identifies something outside as it is now and registers it. Throws `resource-refused`, `already-exists`. */
  registerResource(input: RegisterResource): Promise<Resource>;
  /** Removes a resource now; returns it as it then is, `failed` when that did not work. */
  removeResource(resource: Resource, actor: string): Promise<Resource>;
}
