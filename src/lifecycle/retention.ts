/**
 * What goes by age, and by which time. Ages are counted in time that evidently passed, not by what the wall clock says:
 * a clock that jumps ahead would make everything old at once. Pure; the decision and its reasons are in
 * docs/adr/0025-what-goes-by-age.md.
 */
import type { Job } from './job.ts';
import { isTerminal } from './transitions.ts';

/** How long after the end of a job what of it is kept, milliseconds; null for ever. */
export interface RetentionSpans {
  workspacesMs: number | null;
  jobsMs: number | null;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Finished workspaces 7 days, jobs 90 days (issue of the clean-up). */
export const DEFAULT_RETENTION: RetentionSpans = { workspacesMs: 7 * DAY_MS, jobsMs: 90 * DAY_MS };

/**
 * Time nobody saw pass is believed up to this at once, milliseconds: a server that was down overnight, a machine that
 * slept. What is more may be a clock that was set.
 */
export const BELIEVED_GAP_MS = DAY_MS;

/** What is known of the wall clock, kept from look to look and from server to server. */
export interface ClockWitness {
  /** What it said at the last look, milliseconds since 1970. */
  wallAt: number;
  /** How far it is ahead of the time that evidently passed, milliseconds. */
  aheadMs: number;
  /** Time that evidently passed since it went ahead, milliseconds. */
  sinceMs: number;
}

/** Begins to witness at a moment that is believed. */
export function beginWitness(wallAt: number): ClockWitness {
  return { wallAt, aheadMs: 0, sinceMs: 0 };
}

/**
 * Returns what is known after another look. `passedMs` went by on the monotonic clock since the last one, 0 when that was
 * another process. What the wall clock gained beyond it and beyond `BELIEVED_GAP_MS` is not believed; a clock that goes
 * back takes that back. Once `longestMs` has evidently passed since, everything that ended before is old enough by any
 * count, and the clock is believed again.
 */
export function witnessTime(
  before: ClockWitness,
  look: { wallAt: number; passedMs: number; longestMs: number | null },
): ClockWitness {
  const { wallAt, passedMs, longestMs } = look;
  const unseenMs = wallAt - before.wallAt - passedMs;
  const jumpMs = unseenMs > BELIEVED_GAP_MS ? unseenMs - BELIEVED_GAP_MS : Math.min(0, unseenMs);
  const aheadMs = Math.max(0, Math.round(before.aheadMs + jumpMs));
  if (aheadMs === 0) return beginWitness(wallAt);
  if (jumpMs > 0) return { wallAt, aheadMs, sinceMs: 0 };
  const sinceMs = Math.round(before.sinceMs + passedMs + Math.max(0, unseenMs));
  return longestMs !== null && sinceMs >= longestMs ? beginWitness(wallAt) : { wallAt, aheadMs, sinceMs };
}

/** Returns the time ages are counted by, milliseconds since 1970: never later than what the wall clock said. */
export function believedTime(witness: ClockWitness): number {
  return witness.wallAt - witness.aheadMs;
}

/** Returns the longest of the spans, or null when nothing goes by age. */
export function longestSpan({ workspacesMs, jobsMs }: RetentionSpans): number | null {
  return workspacesMs === null && jobsMs === null ? null : Math.max(workspacesMs ?? 0, jobsMs ?? 0);
}

/** What a client is told of how long something is kept, milliseconds since 1970 by the wall clock; null for no end. */
export interface KeptUntil {
  workspaceAt: number | null;
  jobAt: number | null;
}

/** Returns until when a job and its workspace are kept. What has not ended, or waits for a person, has no end. */
export function keptUntil(job: Job, spans: RetentionSpans, aheadMs: number): KeptUntil {
  if (!isTerminal(job.state) || job.finishedAt === null) return { workspaceAt: null, jobAt: null };
  const end = job.finishedAt + aheadMs;
  const { workspacesMs, jobsMs } = spans;
  return {
    workspaceAt: workspacesMs === null || job.workspaceState === 'none' ? null : end + workspacesMs,
    jobAt: jobsMs === null ? null : end + jobsMs,
  };
}
