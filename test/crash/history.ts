import assert from 'node:assert/strict';
import {
  ATTEMPT_TRANSITIONS,
  JOB_TRANSITIONS,
  canMoveAttempt,
  canMoveJob,
  isTerminal,
  type AttemptState,
  type AttemptTransition,
  type JobState,
  type JobTransition,
} from '../../src/lifecycle/transitions.ts';
import {
  canMoveDelivery,
  DELIVERY_TRANSITIONS,
  type DeliveryState,
  type DeliveryTransition,
} from '../../src/lifecycle/delivery.ts';
import type { JournalEvent } from '../../src/store/store.ts';

/** Its workspace goes by age. */
const RETIRING = ['job.retire', 'job.retired'];
/** Events of a job that are no transition. */
const STILL = new Set([
  'job.overtake',
  'job.warn',
  'job.note',
  'job.cancel_request',
  'job.freeze',
  'job.unfreeze',
  'job.dependency_met',
  ...RETIRING,
]);

/** Where a job begins; blocked is a weak packet, or one that comes after a job which failed. */
const FIRST: ReadonlySet<JobState> = new Set(['created', 'waiting', 'queued', 'blocked']);

/**
 * Walks through the journal as it is and asserts that jobs and attempts only ever made steps of the tables (S1), and
 * that a job left a terminal state only by an operator's retry or fixup, into a new epoch (S4), and none was claimed while it was
 * frozen (Q4).
 */
export function checkHistory(events: readonly JournalEvent[]): void {
  const jobs = new Map<string, JobState>();
  const attempts = new Map<string, AttemptState>();
  const deliveries = new Map<string, DeliveryState>();
  const frozen = new Set<string>();
  for (const event of events) {
    if (event.kind.startsWith('attempt.')) stepAttempt(attempts, event);
    else if (event.kind.startsWith('job.')) stepJob(jobs, event);
    else if (event.kind.startsWith('delivery.')) stepDelivery(deliveries, event);
    if (event.kind === 'job.freeze') frozen.add(event.subject);
    if (event.kind === 'job.unfreeze') frozen.delete(event.subject);
    if (event.kind === 'job.claim') assert.ok(!frozen.has(event.subject), `${event.subject} was claimed while frozen`);
  }
}

function stepDelivery(deliveries: Map<string, DeliveryState>, event: JournalEvent): void {
  const id = String(event.data['id']);
  const before = deliveries.get(id);
  const transition = event.kind.replace('delivery.', '');
  if (transition === 'create') {
    assert.equal(before, undefined, `delivery ${id} was made twice`);
    deliveries.set(id, 'pending');
    return;
  }
  assert.ok(before !== undefined, `delivery ${id} was never made`);
  if (transition === 'due') return;
  assert.ok(Object.hasOwn(DELIVERY_TRANSITIONS, transition), `${event.kind} is no transition`);
  const known = transition as DeliveryTransition;
  assert.ok(canMoveDelivery(before, known), `delivery ${id} made "${known}" from ${before}`);
  deliveries.set(id, DELIVERY_TRANSITIONS[known].to);
}

function stepJob(jobs: Map<string, JobState>, event: JournalEvent): void {
  const id = event.subject;
  const before = jobs.get(id);
  const after = event.data['state'] as JobState | undefined;
  if (event.kind === 'job.accept') {
    assert.equal(before, undefined, `job ${id} was accepted twice`);
    assert.ok(after !== undefined && FIRST.has(after), `job ${id} began as ${String(after)}`);
  } else if (event.kind === 'job.remove' || event.kind === 'job.clear') {
    // Its chain went with it: what is left says nothing but that.
    assert.equal(before, undefined, `events of job ${id} are older than its removal`);
    return;
  } else if (STILL.has(event.kind)) {
    if (RETIRING.includes(event.kind)) assert.ok(before !== undefined && isTerminal(before), `${id} had not ended`);
    assert.ok(after === undefined || after === before, `${event.kind} moved job ${id} to ${String(after)}`);
    return;
  } else {
    const transition = event.kind.replace('job.', '') as JobTransition;
    assert.ok(Object.hasOwn(JOB_TRANSITIONS, transition), `${event.kind} is no transition`);
    assert.ok(before !== undefined && after !== undefined, `event ${event.seq} of job ${id} is not complete`);
    checkJobStep({ id, before, after, transition, event });
  }
  if (after !== undefined) jobs.set(id, after);
}

function checkJobStep(step: {
  id: string;
  before: JobState;
  after: JobState;
  transition: JobTransition;
  event: JournalEvent;
}): void {
  const { id, before, after, transition, event } = step;
  assert.ok(canMoveJob(before, transition), `job ${id} made "${transition}" from ${before}`);
  // An owner that puts a job back ends it instead when a wish to cancel has arrived.
  const isCancelled = after === 'cancelled' && canMoveJob(before, 'cancel');
  assert.ok(after === JOB_TRANSITIONS[transition].to || isCancelled, `"${transition}" took job ${id} to ${after}`);
  if (!isTerminal(before)) return;
  assert.ok(['retry', 'fixup', 'wait'].includes(transition), `job ${id} left ${before} by "${transition}"`);
  assert.ok(typeof event.data['epoch'] === 'number', `the retry of job ${id} opened no epoch`);
}

function stepAttempt(attempts: Map<string, AttemptState>, event: JournalEvent): void {
  const id = event.attemptId ?? '';
  const before = attempts.get(id);
  const transition = event.kind.replace('attempt.', '');
  if (transition === 'intend') {
    assert.equal(before, undefined, `attempt ${id} was intended twice`);
    attempts.set(id, 'intended');
    return;
  }
  assert.ok(Object.hasOwn(ATTEMPT_TRANSITIONS, transition), `${event.kind} is no transition`);
  const known = transition as AttemptTransition;
  assert.ok(before !== undefined && canMoveAttempt(before, known), `attempt ${id} made "${known}" from ${before}`);
  attempts.set(id, ATTEMPT_TRANSITIONS[known].to);
}
