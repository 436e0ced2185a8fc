/** The recovery report: one schema for command line, API and, later, dashboard and callback (04 · The recovery report). */
import type { VerdictKind } from './verdict.ts';
import type { JobState } from './transitions.ts';
import type { Stage } from './stage.ts';

export type PreviousStop = 'clean' | 'crash' | 'reboot' | 'unknown';

export type RecoveryOutcome =
  | 'reattached'
  | 'completed_while_down'
  | 'stopped_while_down'
  | 'resumed_warm'
  | 'restarted_cold'
  | 'requeued'
  | 'quarantined'
  | 'unchanged';

export type NextSafeAction =
  | 'none'
  | 'wait'
  | 'start'
  | 'resume'
  | 'retry'
  | 'review'
  | 'fixup'
  | 'inspect_quarantine'
  | 'fix_config'
  | 'free_disk'
  | 'unfreeze'
  | 'abandon';

export interface EvidenceItem {
  kind: string;
  path: string;
  sha256?: string;
  note: string;
}

export interface JobFinding {
  id: string;
  number: number;
  stateBefore: JobState;
  stageBefore: Stage;
  verdict: VerdictKind | null;
  outcome: RecoveryOutcome;
  evidence: EvidenceItem[];
  worker: { attempt: number; pid: number; start: string; alive: boolean } | null;
  lastDurableArtifact: string | null;
  outputBytesBefore: number;
  outputBytesNow: number;
  workLostSeconds: number;
  blocker: string | null;
  nextSafeAction: NextSafeAction;
  /** The command line that carries out `nextSafeAction`, or null. */
  command: string | null;
}

export interface DeliveryFinding {
  state: 'sending' | 'pending' | 'retrying';
  count: number;
  /** `returned`: due at once, the same message again; `rescheduled`: at the time that was kept. */
  decision: 'returned' | 'rescheduled';
}

export interface PhaseReport {
  name: string;
  ms: number;
  ok: boolean;
  retries: number;
  /** What it found and did, by name. Absent in reports of versions that did not count. */
  counts?: Record<string, number>;
}

/** A start that never became ready. */
export interface AbortedStart {
  bootId: string;
  /** Phase it was in. */
  phase: string;
  /** When that phase began, milliseconds since 1970. */
  at: number;
  /** What ended it, or null when it was killed. */
  error: string | null;
}

/** What is damaged, among what was looked at. */
export interface Corruption {
  checked: number;
  ok: number;
  corrupt: number;
  /** corrupt / checked. */
  rate: number;
  /** `<kind> <name>: why` of each, the first thousand. */
  files: string[];
  /** Whether all history was checked, or only live records so far. */
  complete: boolean;
  /** Whether so much is damaged that a person must be told at once; absent while it is being checked. */
  alert?: boolean;
  /** By kind of record; absent before the check of history has begun. */
  kinds?: Record<string, { checked: number; corrupt: number }>;
  /** The same as `files`, with what to do about each. */
  items?: {
    /** Of the quarantine. */
    id: string;
    kind: string;
    item: string;
    path: string;
    why: string;
    jobId: string | null;
    nextSafeAction: NextSafeAction;
    command: string | null;
    advice: string;
  }[];
}

export interface RecoveryReport {
  bootId: string;
  previousBootId: string | null;
  previousStop: PreviousStop;
  downSeconds: number | null;
  recoveryMs: number;
  phases: PhaseReport[];
  jobs: JobFinding[];
  locks: { key: string; decision: 'kept' | 'removed'; why: string }[];
  leases: { key: string; decision: 'kept' | 'released'; why: string }[];
  /** Unfinished deliveries by the state they were found in. */
  deliveries: DeliveryFinding[];
  removals: never[];
  orphans: { kind: string; path: string; note: string }[];
  corruption: Corruption;
  /** `<resource>: why` for each resource that is not available, like `lock:repo-b` or `phase:callbacks`. */
  degraded: string[];
  /** The backup this home was made from; only in the reports of its starts until one was ready. */
  restored?: {
    backupId: string;
    /** When the backup was made, by the clock of the home it was made of; milliseconds since 1970. */
    madeAt: number;
    restoredAt: number;
    note: string;
  };
  /** Starts between the last ready one and this. Absent in reports of versions that did not look. */
  abortedStarts?: AbortedStart[];
  warnings: string[];
}

/** How many starts are kept (04). */
export const KEPT_BOOTS = 10;
