/**
 * What it means for a job where another one is, after which it comes. Pure. A job names jobs that exist when it is
 * accepted, and never others later: so no two can wait for each other, however long the chain between them.
 */
import type { Reason } from './job.ts';
import type { JobState } from './transitions.ts';

/** Most jobs one job may come after. */
export const MAX_AFTER = 100;

/** A job after which another one comes. */
export interface Dependency {
  id: string;
  /** Null where nothing but the id is left. */
  number: number | null;
  /** Null once it was removed. */
  state: JobState | null;
  reason: Reason | null;
  frozen: boolean;
}

/** `met`: it ended well. `failed`: it never will by itself. `pending`: it may still. */
export type DependencyVerdict = 'met' | 'failed' | 'pending';

/**
 * Returns what waits for a job may do. Work that was handed off is done, whoever takes it up and whether or not a copy
 * was pushed; a hand-off for a person to look at is not.
 */
export function judgeDependency({ state, reason }: Pick<Dependency, 'state' | 'reason'>): DependencyVerdict {
  switch (state) {
    case 'completed':
      return 'met';
    case 'ready':
      return reason === null || reason === 'push_failed' ? 'met' : 'pending';
    case 'failed':
    case 'cancelled':
    case 'timed_out':
    case null:
      return 'failed';
    default:
      return 'pending';
  }
}

/** How a job stands to those it still waits for; ids are in the order they were named in. */
export interface Standing {
  /** All that have not ended well. */
  open: string[];
  /** Those of them that may still. */
  alive: string[];
  /** Why it cannot begin, as a sentence; null while it can. */
  failure: string | null;
}

/** Returns how a job stands that waits for these. */
export function standBehind(dependencies: readonly Dependency[]): Standing {
  const judged = dependencies.map((one) => ({ one, verdict: judgeDependency(one) }));
  const idsOf = (list: typeof judged): string[] => list.map(({ one }) => one.id);
  const failed = judged.find(({ verdict }) => verdict === 'failed');
  return {
    open: idsOf(judged.filter(({ verdict }) => verdict !== 'met')),
    alive: idsOf(judged.filter(({ verdict }) => verdict === 'pending')),
    failure: failed === undefined ? null : describeFailure(failed.one),
  };
}

const ENDS: Partial<Record<JobState, string>> = {
  failed: 'failed',
  cancelled: 'was cancelled',
  timed_out: 'timed out',
};

/** Returns why a job cannot begin: `job 12, after which it comes, failed`. */
export function describeFailure({ id, number, state }: Pick<Dependency, 'id' | 'number' | 'state'>): string {
  const end = state === null ? 'was removed' : (ENDS[state] ?? `is ${state}`);
  return `job ${number ?? id}, after which it comes, ${end}`;
}

/** Returns where a job is that another one waits for: `it comes after that one, which is blocked (gate_blocked)`. */
export function describeDependency({ state, reason, frozen }: Omit<Dependency, 'id' | 'number'>): string {
  const why = reason === null || state === 'queued' ? '' : ` (${reason})`;
  const where = state === null ? 'was removed' : `is ${state === 'created' ? 'held' : state}${why}`;
  return `it comes after that one, which ${where}${frozen ? ', frozen' : ''}`;
}
