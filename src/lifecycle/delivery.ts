/** Callbacks: what a job (or the operator) asked to be told, and the way of each message until it was told or given up. */
import type { Job } from './job.ts';
import { nextSafeAction } from './next-safe-action.ts';
import { toIso } from '../kernel/clock.ts';
import type { JobState } from './transitions.ts';

/** Types a job's callback may ask for. */
export const JOB_CALLBACK_TYPES = [
  'job.queued',
  'job.started',
  'job.stage_changed',
  'job.ready',
  'job.blocked',
  'job.completed',
  'job.failed',
  'job.cancelled',
  'job.timed_out',
  'job.quarantined',
] as const;
export type JobCallbackType = (typeof JOB_CALLBACK_TYPES)[number];

/** Every type a message may have. */
export type CallbackType = JobCallbackType | 'epic.completed' | 'server.recovered' | 'server.corrupted';

/** One target of a job: who is told, and of what. */
export interface JobCallback {
  url: string;
  events: JobCallbackType[];
}

export const DELIVERY_STATES = ['pending', 'sending', 'sent', 'retrying', 'failed'] as const;
export type DeliveryState = (typeof DELIVERY_STATES)[number];

/** The only ways a delivery changes state. Being told twice is harmless: a receiver knows the message by its id. */
export const DELIVERY_TRANSITIONS = {
  send: { from: ['pending', 'retrying'], to: 'sending', cause: 'it is due, and the next try begins' },
  deliver: { from: ['sending'], to: 'sent', cause: 'the receiver answered 2xx' },
  retry: { from: ['sending'], to: 'retrying', cause: 'the try failed, and another is due later' },
  fail: { from: ['sending'], to: 'failed', cause: 'the receiver refused it for good, or no try is left' },
  refuse: {
    from: ['pending', 'retrying'],
    to: 'failed',
    cause: 'its target is disabled, or its home was restored; nothing was sent',
  },
  return: { from: ['sending'], to: 'pending', cause: 'the server died during the try; the try is given back' },
  redeliver: { from: ['sent', 'failed'], to: 'pending', cause: 'an operator wants it sent again, with new tries' },
} as const satisfies Record<string, { from: readonly DeliveryState[]; to: DeliveryState; cause: string }>;
export type DeliveryTransition = keyof typeof DELIVERY_TRANSITIONS;

/** Whether the table allows `transition` from `state`. */
export function canMoveDelivery(state: DeliveryState, transition: DeliveryTransition): boolean {
  return (DELIVERY_TRANSITIONS[transition].from as readonly DeliveryState[]).includes(state);
}

/** One message to one target. Its id and body never change; times are milliseconds since 1970. */
export interface Delivery {
  id: string;
  /** Grows with every delivery: the order in which a target is told. */
  number: number;
  /** Null for what the server tells of itself. */
  jobId: string | null;
  type: CallbackType;
  url: string;
  /** Host and port of the url, by which deliveries are kept apart. */
  host: string;
  /** The exact bytes that are sent, at every try. */
  body: string;
  state: DeliveryState;
  /** Tries begun so far; also the fence of the newest. */
  tries: number;
  /** Tries begun since it was made or last redelivered: what the schedule counts. */
  roundTries: number;
  redeliveries: number;
  /** When it is due; null while it waits behind an earlier one of its job to the same url, is being sent, or is over. */
  nextAt: number | null;
  lastStatus: number | null;
  lastError: string | null;
  createdAt: number;
  finishedAt: number | null;
  version: number;
}

/** An url that answered 410: nothing is sent there any more until a redelivery succeeds. */
export interface CallbackTarget {
  id: string;
  url: string;
  /** Null once it is enabled again. */
  disabledAt: number | null;
  /** Delivery that was answered 410. */
  deliveryId: string;
  version: number;
}

/**
 * Longest wait between two tries in milliseconds, whatever a receiver asks for. A kept time further away than this can
 * only come from a clock that was set back.
 */
export const MAX_DELIVERY_WAIT_MS = 3_600_000;

const TYPES: Partial<Record<JobState, JobCallbackType>> = {
  queued: 'job.queued',
  running: 'job.started',
  blocked: 'job.blocked',
  completed: 'job.completed',
  failed: 'job.failed',
  cancelled: 'job.cancelled',
  timed_out: 'job.timed_out',
  quarantined: 'job.quarantined',
};

/** Returns what a job's way from `before` (null: it is new) to `after` is told as, or null for nothing. */
export function callbackTypeOf(before: JobState | null, after: JobState): JobCallbackType | null {
  // A job put back before it ran was never told to have left the queue.
  if (before === after || (before === 'preparing' && after === 'queued')) return null;
  return TYPES[after] ?? null;
}

/** Longest blocker a message holds, characters. */
const MAX_BLOCKER_CHARS = 1000;

/** Returns the body of a message about a job: what matters to a receiver; no prompt, no command, no path. */
export function renderJobCallback(type: JobCallbackType, job: Job, at: number): string {
  const time = (ms: number | null): string | null => (ms === null ? null : toIso(ms));
  const data = {
    id: job.id,
    number: job.number,
    repository: job.repository,
    agent: job.agent,
    pipeline: job.pipeline,
    stage: job.stage,
    state: job.state,
    outcome: job.outcome,
    reason: job.reason,
    blocker: job.blocker?.slice(0, MAX_BLOCKER_CHARS).toWellFormed() ?? null,
    exitCode: job.exitCode,
    attempts: job.attempts,
    epoch: job.epoch,
    priority: job.priority,
    nextSafeAction: nextSafeAction(job),
    createdAt: time(job.createdAt),
    queuedAt: time(job.queuedAt),
    startedAt: time(job.startedAt),
    finishedAt: time(job.finishedAt),
    version: job.version,
  };
  return JSON.stringify({ type, timestamp: toIso(at), data });
}

/** Returns the body of a message that is not about one job. */
export function renderCallback(type: CallbackType, data: object, at: number): string {
  return JSON.stringify({ type, timestamp: toIso(at), data });
}
