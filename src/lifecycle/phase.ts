import type { Job } from './job.ts';

/**
 * Where a job is on its way to its agent: `waiting` for jobs it comes after, a place, its turn at a repository or a fetch; `preparing` its
 * workspace; `ready`, nothing started yet; `executing`. Told from rows alone, so it is the same after a crash.
 */
export type Phase = 'waiting' | 'preparing' | 'ready' | 'executing';

/** Returns the phase of a job, or null when it is not on its way. `holdsLock`: a lock row names it. */
export function phaseOf(job: Pick<Job, 'state' | 'workspaceState'>, holdsLock: boolean): Phase | null {
  if (job.state === 'running') return 'executing';
  if (job.state === 'waiting' || job.state === 'queued') return 'waiting';
  if (job.state !== 'preparing') return null;
  if (job.workspaceState === 'ready') return 'ready';
  return job.workspaceState === 'preparing' || holdsLock ? 'preparing' : 'waiting';
}
