/**
 * The outbox: deliveries are made in the transaction of the event they tell of, and every step of one is journalled in
 * the chain of its job, or in its own where it tells of none. Of the unfinished deliveries of one job to one url only
 * the oldest has a time or is being sent: the others wait for it, so that a receiver is told in order.
 */
import { fail } from '../../kernel/errors.ts';
import {
  DELIVERY_TRANSITIONS,
  callbackTypeOf,
  canMoveDelivery,
  renderCallback,
  renderJobCallback,
  type CallbackType,
  type Delivery,
  type DeliveryTransition,
} from '../../lifecycle/delivery.ts';
import type { RecoveryReport } from '../../lifecycle/report.ts';
import type { JobState } from '../../lifecycle/transitions.ts';
import type { DeliveryRecord } from '../store.ts';
import { DELIVERIES, type Chained, type JobRecord } from './entities.ts';
import { makeId } from './ids.ts';
import { GENESIS, appendEvent } from './journal.ts';
import { readJob, toJob, writeHead } from './jobs.ts';
import { insertRecord, pickChanges, toRecord, updateRecord, withoutNulls } from './records.ts';
import type { Session } from './session.ts';
import { listLiterals, type Row, type Sql } from './sql.ts';
import { disableTarget, enableTarget } from './targets.ts';

/** A delivery with the head of its own chain; null where its job has the chain. */
export interface StoredDelivery {
  record: Delivery;
  head: string | null;
}

/** Returns a row of the table. */
export function toDelivery(row: Row): StoredDelivery {
  return { record: toRecord(DELIVERIES, row), head: row['head'] === null ? null : String(row['head']) };
}

/** Returns a delivery, for a write. Throws `delivery-not-found`. */
export function readDelivery(session: Session, id: string): StoredDelivery {
  const row = session.sql.get(`SELECT ${DELIVERIES.select} FROM deliveries WHERE id = $1`, id);
  if (row === null) throw fail('delivery-not-found', `there is no delivery ${id}`);
  return toDelivery(row);
}

/** Oldest unfinished delivery of a job to an url, or null. */
function headOfLane(sql: Sql, lane: Pick<Delivery, 'jobId' | 'url'>): Delivery | null {
  const row = sql.get(
    `SELECT ${DELIVERIES.select} FROM deliveries WHERE finished_at IS NULL AND url = $1 AND job_id IS $2 ORDER BY number LIMIT 1`,
    lane.url,
    lane.jobId,
  );
  return row === null ? null : toDelivery(row).record;
}

function makeRecord(session: Session, input: Pick<Delivery, 'jobId' | 'type' | 'url' | 'body'>): Delivery {
  return {
    id: makeId('dlv', session.at),
    number: session.counters.next('deliveryNumber'),
    ...input,
    host: new URL(input.url).host,
    state: 'pending',
    tries: 0,
    roundTries: 0,
    redeliveries: 0,
    nextAt: headOfLane(session.sql, input) === null ? session.at : null,
    lastStatus: null,
    lastError: null,
    createdAt: session.at,
    finishedAt: null,
    version: 1,
  };
}

function eventOf(delivery: Delivery, verb: string): { kind: string; subject: string; jobId: string | null } {
  return { kind: `delivery.${verb}`, subject: delivery.jobId ?? delivery.id, jobId: delivery.jobId };
}

/**
 * Makes the deliveries that tell of a job's new state, after the event of its move (`head`); returns the new end of the
 * job's chain, which the caller stores in the same transaction.
 */
export function tellOfJob(session: Session, move: { job: JobRecord; before: JobState | null; head: string }): string {
  const { job, before } = move;
  const type = job.callbacks === null ? null : callbackTypeOf(before, job.state);
  if (job.callbacks === null || type === null) return move.head;
  let { head } = move;
  let body: string | null = null;
  for (const { url, events } of job.callbacks) {
    if (!events.includes(type)) continue;
    body ??= renderJobCallback(type, toJob(job), session.at);
    const delivery = makeRecord(session, { jobId: job.id, type, url, body });
    const event = { ...eventOf(delivery, 'create'), actor: 'outbox', attemptId: null, data: withoutNulls(delivery) };
    head = appendEvent(session, event, head);
    insertRecord(session.sql, DELIVERIES, { record: delivery, head: null });
    session.counters.moveDelivery(null, delivery.state);
  }
  return head;
}

/** Findings of single jobs a message about a start holds at most; the report itself has them all. */
const MAX_TOLD_JOBS = 1000;

/** Makes the deliveries that tell the operator's own urls of a finished recovery. */
export function tellOfRecovery(session: Session, report: RecoveryReport, urls: readonly string[]): void {
  if (urls.length === 0) return;
  const left = report.jobs.length - MAX_TOLD_JOBS;
  const warnings = left > 0 ? [...report.warnings, `${left} more jobs are in the report itself`] : report.warnings;
  const told = { ...report, jobs: report.jobs.slice(0, MAX_TOLD_JOBS), warnings };
  tellServer(session, { type: 'server.recovered', data: told, urls });
}

/** Makes the deliveries that tell the operator's own urls of widespread damage; which records, the report says. */
export function tellOfCorruption(session: Session, report: RecoveryReport, urls: readonly string[]): void {
  if (urls.length === 0) return;
  const { checked, corrupt, rate, kinds = {} } = report.corruption;
  const data = { bootId: report.bootId, checked, corrupt, rate, kinds };
  tellServer(session, { type: 'server.corrupted', data, urls });
}

function tellServer(session: Session, message: { type: CallbackType; data: object; urls: readonly string[] }): void {
  const body = renderCallback(message.type, message.data, session.at);
  for (const url of message.urls) {
    const delivery = makeRecord(session, { jobId: null, type: message.type, url, body });
    const event = { ...eventOf(delivery, 'create'), actor: 'outbox', attemptId: null, data: withoutNulls(delivery) };
    const head = appendEvent(session, event, GENESIS);
    insertRecord(session.sql, DELIVERIES, { record: delivery, head });
    session.counters.moveDelivery(null, delivery.state);
  }
}

const GUARDS = Object.fromEntries(
  Object.entries(DELIVERY_TRANSITIONS).map(([name, { from }]) => [name, ` AND state IN (${listLiterals(from)})`]),
) as Record<DeliveryTransition, string>;

export interface DeliveryWrite {
  /** A transition, or `due`: its time changed. */
  verb: DeliveryTransition | 'due';
  actor: string;
  set: Partial<Delivery>;
}

/** Writes one step of a delivery with its event; returns it after. Throws `state-conflict`. */
export function writeDelivery(session: Session, before: StoredDelivery, write: DeliveryWrite): StoredDelivery {
  const { record } = before;
  const { verb } = write;
  if (verb !== 'due' && !canMoveDelivery(record.state, verb)) {
    throw fail('state-conflict', `delivery ${record.id} is ${record.state}; it cannot ${verb}`, {
      hint: 'Look at it with `holdfast callbacks`; a delivery is sent again once it is sent or failed.',
    });
  }
  const state = verb === 'due' ? record.state : DELIVERY_TRANSITIONS[verb].to;
  const picked = pickChanges<Delivery>(DELIVERIES, record, { ...write.set, state });
  const changes: Partial<Delivery> = { ...picked, version: record.version + 1 };
  const data = { id: record.id, ...changes };
  const event = { ...eventOf(record, verb), actor: write.actor, attemptId: null, data };
  let head: string | null = null;
  if (record.jobId === null) {
    head = appendEvent(session, event, before.head ?? GENESIS);
  } else {
    const job: Chained<JobRecord> = readJob(session, record.jobId);
    writeHead(session, job, appendEvent(session, event, job.head));
  }
  const guard = verb === 'due' ? '' : GUARDS[verb];
  if (!updateRecord(session.sql, DELIVERIES, { key: record.id, changes, head, guard, fence: null })) {
    throw fail('internal', `delivery ${record.id} did not change`);
  }
  session.counters.moveDelivery(record.state, state);
  return { record: { ...record, ...changes }, head };
}

/** Gives the next delivery of the same lane its turn, once the one before it is over. */
export function releaseLane(session: Session, over: Delivery, actor: string): void {
  const next = headOfLane(session.sql, over);
  if (next === null || next.nextAt !== null || next.state === 'sending') return;
  writeDelivery(session, readDelivery(session, next.id), { verb: 'due', actor, set: { nextAt: session.at } });
}

/** Longest error a delivery keeps, characters. */
const MAX_ERROR_CHARS = 300;

/** Records what came of a try. Throws `fenced` for a try that is not the newest, `delivery-not-found` or `state-conflict`. */
export function recordDelivery(session: Session, outcome: DeliveryRecord): Delivery {
  const { transition, actor } = outcome;
  const delivery = readDelivery(session, outcome.id);
  if (delivery.record.tries !== outcome.try) {
    throw fail(
      'fenced',
      `try ${outcome.try} of delivery ${outcome.id} is over; try ${delivery.record.tries} is the newest`,
    );
  }
  const isOver = transition !== 'retry';
  const lastError = outcome.error?.slice(0, MAX_ERROR_CHARS).toWellFormed() ?? null;
  const { record } = writeDelivery(session, delivery, {
    verb: transition,
    actor,
    set: {
      lastStatus: outcome.status,
      lastError,
      nextAt: isOver ? null : outcome.nextAt,
      finishedAt: isOver ? session.at : null,
    },
  });
  if (outcome.gone) disableTarget(session, record, actor);
  if (transition === 'deliver') enableTarget(session, record.url, actor);
  if (isOver) releaseLane(session, record, actor);
  return record;
}

/** Sends an ended delivery again, with the same id and body and new tries. Throws `delivery-not-found`, `state-conflict`. */
export function redeliver(session: Session, id: string, actor: string): Delivery {
  const delivery = readDelivery(session, id);
  const isFree = headOfLane(session.sql, delivery.record) === null;
  return writeDelivery(session, delivery, {
    verb: 'redeliver',
    actor,
    set: {
      nextAt: isFree ? session.at : null,
      finishedAt: null,
      roundTries: 0,
      redeliveries: delivery.record.redeliveries + 1,
    },
  }).record;
}
