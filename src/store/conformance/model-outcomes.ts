import type { Outcome } from '../../lifecycle/job.ts';
import type { JobState } from '../../lifecycle/transitions.ts';

/** How a job that ends in a state ended. */
export const OUTCOME_OF: Record<JobState, Outcome | null> = {
  created: null,
  waiting: null,
  queued: null,
  preparing: null,
  running: null,
  blocked: null,
  quarantined: null,
  ready: 'success',
  completed: 'success',
  failed: 'failure',
  cancelled: 'cancelled',
  timed_out: 'timed_out',
};
