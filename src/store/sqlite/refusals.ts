/**
 * The record of results that were refused. It is written in the transaction of the refusal, in the chain of the job, and
 * changes nothing of the job. Repeating a result adds nothing: there is one record for each attempt and word, and one
 * for all that nobody was ever asked for.
 */
import { isError } from '../../kernel/errors.ts';
import {
  nameRefusal,
  nameResult,
  type RefusalFacts,
  type RefusalRecord,
  type RefusalWord,
} from '../../lifecycle/refusal.ts';
import type { GateRecord, Stage } from '../../lifecycle/stage.ts';
import { ATTEMPT_TRANSITIONS, JOB_TRANSITIONS, isActive, type JobTransition } from '../../lifecycle/transitions.ts';
import type { NewGate } from '../ledger-store.ts';
import type { AttemptMove, JobMove } from '../store.ts';
import { ATTEMPTS, defineEntity, type AttemptRecord, type Chained, type JobRecord } from './entities.ts';
import { appendEvent } from './journal.ts';
import { readJob, writeHead } from './jobs.ts';
import { GATES } from './ledger-entities.ts';
import { insertRecord, pickChanges, toRecord, withoutNulls } from './records.ts';
import type { Reader, Session } from './session.ts';
import type { Operation } from './wire.ts';

export const REFUSALS = defineEntity<RefusalRecord>({
  noun: 'refusal',
  table: 'refusals',
  key: 'id',
  chained: false,
  kinds: {
    id: 'text',
    jobId: 'text',
    word: 'text',
    result: 'text',
    epoch: 'int',
    fence: 'int',
    attempt: 'int',
    gate: 'text',
    why: 'text',
    recordedAt: 'int',
  },
});

/** Returns what was refused of a job, oldest first. */
export function listRefusals(reader: Reader, jobId: string): RefusalRecord[] {
  return reader.sql
    .all(`SELECT ${REFUSALS.select} FROM refusals WHERE job_id = $1 ORDER BY recorded_at, id`, jobId)
    .map((row) => toRecord(REFUSALS, row));
}

/** A record to be made; `of` tells, within the job, whose result it was. */
export type NewRefusal = Omit<RefusalRecord, 'id' | 'jobId' | 'recordedAt'> & { of: string };

/** Adds a record to the chain of a job, unless this one is there; returns the end of the chain. */
export function appendRefusal(
  session: Session,
  job: Chained<JobRecord>,
  { refusal, actor }: { refusal: NewRefusal; actor: string },
): string {
  const { of, ...what } = refusal;
  const jobId = job.record.id;
  const id = `${jobId}/${of}/${refusal.word}`;
  if (session.sql.get('SELECT 1 FROM refusals WHERE id = $1', id) !== null) return job.head;
  const record: RefusalRecord = { ...what, id, jobId, recordedAt: session.at };
  const event = { actor, kind: 'refusal.record', subject: jobId, jobId, attemptId: null, data: withoutNulls(record) };
  const head = appendEvent(session, event, job.head);
  insertRecord(session.sql, REFUSALS, { record, head: null });
  return head;
}

/** What an owner does with its job when something ended; what it only puts back is no result. */
const RESULTS = new Set<JobTransition>(['advance', 'hand_off', 'complete', 'fail', 'time_out', 'block']);

/** Whether a write that failed so was a result, and may have been refused for who said it and when. */
export function mayBeRefusal(operation: Operation, args: readonly unknown[], error: unknown): boolean {
  if (!isError(error, 'fenced') && !isError(error, 'state-conflict') && !isError(error, 'bad-request')) return false;
  if (operation === 'settleAttempt') return true;
  if (operation !== 'moveJob') return false;
  const { fence, transition } = args[0] as JobMove;
  return fence !== null && RESULTS.has(transition);
}

/** Records the refusal of a result, whose write was taken back, if it is one. */
export function recordRefusedWrite(session: Session, operation: Operation, args: readonly unknown[]): void {
  const isSettling = operation === 'settleAttempt';
  const move = args[isSettling ? 1 : 0] as JobMove;
  const said = isSettling ? (args[0] as AttemptMove) : null;
  const job = readJob(session, move.id);
  const attempt = said === null ? null : findAttempt(session, said.id);
  const refusal = judge(session, job.record, { move, said, attempt });
  if (refusal === null) return;
  const head = appendRefusal(session, job, { refusal, actor: move.actor });
  if (head !== job.head) writeHead(session, job, head);
}

function findAttempt(session: Session, id: string): AttemptRecord | null {
  const row = session.sql.get(`SELECT ${ATTEMPTS.select} FROM attempts WHERE id = $1`, id);
  return row === null ? null : toRecord(ATTEMPTS, row);
}

interface Said {
  move: JobMove;
  /** How the attempt is said to have ended; null for a step of the server itself. */
  said: AttemptMove | null;
  attempt: AttemptRecord | null;
}

function judge(session: Session, job: JobRecord, { move, said, attempt }: Said): NewRefusal | null {
  const fence = said?.fence ?? move.fence ?? 0;
  const isOwn = attempt !== null && attempt.jobId === job.id;
  const facts: RefusalFacts = {
    job,
    fence,
    attempt: said === null ? null : { isOwn, fence: attempt?.fence ?? 0, epoch: attempt?.epoch ?? 0 },
    recorded: compare(session, job, { move, said, attempt }),
  };
  const word = nameRefusal(facts);
  if (word === null) return null;
  const gate = move.results?.gate ?? null;
  const stage: Stage | null = attempt?.stage ?? gate?.stage ?? null;
  const number = isOwn ? attempt.number : null;
  return {
    of:
      number !== null ? String(number) : said === null && fence >= 1 && fence <= job.fence ? `claim-${fence}` : 'none',
    word,
    result: nameResult(stage, JOB_TRANSITIONS[move.transition].to),
    epoch: isOwn ? attempt.epoch : job.epoch,
    fence,
    attempt: number,
    gate: gate?.gate ?? (isOwn ? attempt.gate : null),
    why: describe(word, { job, fence, said: `${move.transition} ${said?.transition ?? ''}`.trim() }),
  };
}

/** Whether what is said is on record: the same, something else, or nothing yet (null). */
function compare(session: Session, job: JobRecord, { move, said, attempt }: Said): 'same' | 'other' | null {
  const gate = compareGate(session, job, { gate: move.results?.gate ?? null, attempt });
  if (gate === 'other') return 'other';
  if (said === null) {
    if (isActive(job.state)) return gate;
    return gate ?? (JOB_TRANSITIONS[move.transition].to === job.state ? 'same' : 'other');
  }
  if (attempt === null || attempt.state === 'intended' || attempt.state === 'running') return gate;
  const isSame =
    ATTEMPT_TRANSITIONS[said.transition].to === attempt.state &&
    (isActive(job.state) || JOB_TRANSITIONS[move.transition].to === job.state) &&
    pickChanges<AttemptRecord>(ATTEMPTS, attempt, said.set ?? {}) === null;
  return isSame ? 'same' : 'other';
}

function compareGate(
  session: Session,
  job: JobRecord,
  { gate, attempt }: { gate: NewGate | null; attempt: AttemptRecord | null },
): 'same' | 'other' | null {
  if (gate === null) return null;
  // A merge has a result for every try: only that of the same attempt says anything of this one.
  const row = session.sql.get(
    `SELECT ${GATES.select} FROM gates WHERE job_id = $1 AND epoch = $2 AND gate = $3 AND (stage <> 'merge' OR attempt IS $4)
     ORDER BY recorded_at DESC LIMIT 1`,
    job.id,
    attempt?.epoch ?? job.epoch,
    gate.gate,
    gate.attempt,
  );
  if (row === null) return null;
  const known: GateRecord = toRecord(GATES, row);
  return pickChanges<GateRecord>(GATES, known, gate) === null ? 'same' : 'other';
}

function describe(word: RefusalWord, { job, fence, said }: { job: JobRecord; fence: number; said: string }): string {
  switch (word) {
    case 'late':
      return `${said} under claim ${fence}, when the job was at claim ${job.fence}, epoch ${job.epoch}`;
    case 'duplicate':
      return `${said} under claim ${fence} once more, as it is recorded`;
    case 'conflict':
      return `${said} under claim ${fence}, where something else is recorded`;
    case 'unauthorised':
      return `${said} under claim ${fence}, which was not given to it`;
  }
}
