import type { AttemptLimits } from './job.ts';
import type { Stage, StageTask } from './stage.ts';
import type { VerdictKind } from './verdict.ts';

/** Identity of a process on one host: a bare pid means nothing (03 · Identity and life). */
export interface ProcessIdentity {
  pid: number;
  /** Start time in clock ticks since boot, field 22 of /proc/<pid>/stat. */
  start: string;
}

/** Note of an attempt whose session the agent would not take up: it did nothing, and is no strike. */
export const SESSION_REJECTED = 'its session was rejected';

/** What every attempt has, whatever its state. */
export interface AttemptCore {
  id: string;
  jobId: string;
  /** From 1 within the job; also the name of its run directory. */
  number: number;
  stage: Stage;
  /** Gate it passes or reviews for, and what its agent was asked to do; null in a job without a pipeline. */
  gate: string | null;
  task: StageTask | null;
  epoch: number;
  /** Fence of the claim it was made under. */
  fence: number;
  mode: 'warm' | 'cold';
  sessionId: string | null;
  /** Model its agent was set to; null where the agent chooses. */
  model: string | null;
  limits: AttemptLimits;
  boot: string;
  /** Set once seen alive. */
  agent: ProcessIdentity | null;
  keeper: ProcessIdentity | null;
  startedAt: number | null;
  endedAt: number | null;
  intendedAt: number;
  verdict: VerdictKind | null;
  exitCode: number | null;
  exitSignal: string | null;
  stoppedBy: string | null;
  outputBytes: number;
  /** Of the bytes its end vouches for, hex; null while it lives, and where there was no such file. */
  outputSha256: string | null;
  stderrSha256: string | null;
  /** How sure it is that nothing of it lives: `cgroup` is proof, `token` is a search of the processes we can read. */
  evidenceLevel: 'cgroup' | 'token' | null;
  note: string | null;
  version: number;
}

interface Over {
  endedAt: number;
  verdict: VerdictKind;
}

/** An attempt: one process started for a stage of a job. */
export type Attempt = AttemptCore &
  (
    | { state: 'intended'; endedAt: null }
    | { state: 'running'; endedAt: null; startedAt: number }
    | ({ state: 'finished' | 'interrupted' | 'never_ran' | 'quarantined' } & Over)
  );
