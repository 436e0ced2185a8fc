/**
 * What can be said of the future from what was counted. Pure; and rather silent than wrong: a number is given when enough
 * jobs have ended to tell, and whatever depends on one that cannot be told is not told either.
 */
import type { Durations } from './histogram.ts';

/** Fewer ended jobs than this say nothing about the next one. */
export const MIN_SAMPLES = 5;

/** Waiting jobs that are looked at; nobody plans by the start of the one after. */
export const MAX_FORESEEN = 500;

/** Returns the durations when they are of enough jobs to go by, else null. */
export function ifEnough(durations: Durations | null): Durations | null {
  return durations !== null && durations.samples >= MIN_SAMPLES ? durations : null;
}

/**
 * Returns how long a job that has been at work for `elapsedMs` will go on: up to the median while it is below that, up to
 * the 90th percentile after it, and null once it takes longer than nine of ten did, or when there is nothing to go by.
 */
export function remainingOf(durations: Durations | null, elapsedMs: number): number | null {
  const known = ifEnough(durations);
  if (known === null) return null;
  const elapsed = Math.max(0, elapsedMs);
  if (elapsed < known.p50Ms) return known.p50Ms - elapsed;
  return elapsed < known.p90Ms ? known.p90Ms - elapsed : null;
}

/** A job that takes places of the host and of its repositories. */
export interface ActiveJob {
  repositories: readonly string[];
  /** Null when nobody knows. */
  remainingMs: number | null;
}

export interface WaitingJob {
  id: string;
  repositories: readonly string[];
  /** How long it will hold its places; null when nobody knows. */
  durationMs: number | null;
  /** Something other than its turn holds it up: a frozen job, a source that does not answer. */
  held: boolean;
}

/** Everything a start depends on, now. */
export interface QueueFacts {
  hostLimit: number;
  /** Places of each repository; one that is not here has none. */
  concurrency: ReadonlyMap<string, number>;
  active: readonly ActiveJob[];
  /** In queue order. */
  waiting: readonly WaitingJob[];
}

/**
 * Plays the queue forward: whoever is first in order and has a place on the host and in all of its repositories begins, and
 * holds them for as long as it usually takes. Returns in how many milliseconds each job begins; null for one that is held
 * up, or that waits for a job nobody knows the length of. (That several repositories may only be passed so often is left
 * out: it moves a start by a job or two.)
 */
export function estimateStarts({ hostLimit, concurrency, active, waiting }: QueueFacts): Map<string, number | null> {
  const starts = new Map<string, number | null>(waiting.map(({ id }) => [id, null]));
  const room = new Map(concurrency);
  const take = (names: readonly string[], places: 1 | -1): void => {
    for (const name of names) room.set(name, (room.get(name) ?? 0) - places);
  };
  let free = hostLimit;
  const ends: { at: number; repositories: readonly string[] }[] = [];
  const begin = (repositories: readonly string[], at: number | null): void => {
    free -= 1;
    take(repositories, 1);
    // Without an end it holds its places for good.
    if (at !== null) ends.push({ at, repositories });
  };
  for (const job of active) begin(job.repositories, job.remainingMs);
  let left = waiting.filter((job) => !job.held);
  for (let now = 0; left.length > 0;) {
    const passed: WaitingJob[] = [];
    for (const job of left) {
      const fits = free > 0 && job.repositories.every((name) => (room.get(name) ?? 0) > 0);
      if (!fits) {
        passed.push(job);
        continue;
      }
      starts.set(job.id, Math.round(now));
      begin(job.repositories, job.durationMs === null ? null : now + job.durationMs);
    }
    left = passed;
    const next = Math.min(...ends.map(({ at }) => at));
    if (next === Number.POSITIVE_INFINITY) break;
    now = Math.max(now, next);
    for (const end of ends.splice(0).toSorted((a, b) => a.at - b.at)) {
      if (end.at > now) ends.push(end);
      else {
        free += 1;
        take(end.repositories, -1);
      }
    }
  }
  return starts;
}
