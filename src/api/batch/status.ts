/** The words the batch API has for where a job is. Pure. */
import { JOB_STATES, type JobState } from '../../lifecycle/transitions.ts';

/** Statuses its clients know. */
export const BATCH_STATUSES = [
  'created',
  'queued',
  'gitpulling',
  'running',
  'completed',
  'failed',
  'cancelled',
  'timeout',
] as const;
export type BatchStatus = (typeof BATCH_STATUSES)[number];

const STATUS_OF: Record<JobState, BatchStatus> = {
  created: 'created',
  waiting: 'queued',
  queued: 'queued',
  preparing: 'gitpulling',
  running: 'running',
  completed: 'completed',
  ready: 'completed',
  failed: 'failed',
  // Its clients know nobody who could help such a job: they are told why in `errorMessage`.
  blocked: 'failed',
  quarantined: 'failed',
  cancelled: 'cancelled',
  timed_out: 'timeout',
};

/** Returns the status of a state. */
export function statusOf(state: JobState): BatchStatus {
  return STATUS_OF[state];
}

/** Returns the states a status stands for. */
export function statesOf(status: BatchStatus): JobState[] {
  return JOB_STATES.filter((state) => STATUS_OF[state] === status);
}
