/** The journal: append-only, one hash chain per subject, written in the transaction of the row it tells about. */
import { sha256 } from '../../kernel/hash.ts';
import type { EventQuery, JournalEvent } from '../store.ts';
import type { Session, Reader } from './session.ts';
import type { Row, Sql } from './sql.ts';

/** What a chain starts with. */
export const GENESIS = '0'.repeat(64);

export interface NewEvent {
  actor: string;
  kind: string;
  subject: string;
  jobId: string | null;
  attemptId: string | null;
  data: object;
}

/** Returns the hash of an event: it covers the previous hash of the subject and every stored column. */
export function hashEvent(event: Omit<JournalEvent, 'data' | 'hash'> & { data: string }, previous: string): string {
  const { seq, at, actor, kind, subject, jobId, attemptId, data } = event;
  return sha256(JSON.stringify([previous, seq, at, actor, kind, subject, jobId, attemptId]) + data);
}

/** Writes an event after `head` of its subject; returns the new head, which the caller stores in the same transaction. */
export function appendEvent(session: Session, event: NewEvent, head: string): string {
  const seq = session.counters.next('seq');
  const text = JSON.stringify(event.data);
  const { actor, kind, subject, jobId, attemptId } = event;
  const row = { seq, at: session.at, actor, kind, subject, jobId, attemptId };
  const hash = hashEvent({ ...row, data: text }, head);
  session.sql.run(
    `INSERT INTO events (seq, at, actor, kind, subject, job_id, attempt_id, data, prev_hash, hash)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
    seq,
    session.at,
    actor,
    kind,
    subject,
    jobId,
    attemptId,
    text,
    head,
    hash,
  );
  session.events.push({ ...row, data: event.data as Record<string, unknown>, hash });
  return hash;
}

/** An event as it lies in the table, for those who check hashes. */
export interface StoredEvent extends Omit<JournalEvent, 'data'> {
  data: string;
  prevHash: string;
}

const COLUMNS = 'seq, at, actor, kind, subject, job_id, attempt_id, data, prev_hash, hash';

function toHeader(row: Row): Omit<JournalEvent, 'data'> {
  return {
    seq: Number(row['seq']),
    at: Number(row['at']),
    actor: String(row['actor']),
    kind: String(row['kind']),
    subject: String(row['subject']),
    jobId: row['job_id'] === null ? null : String(row['job_id']),
    attemptId: row['attempt_id'] === null ? null : String(row['attempt_id']),
    hash: String(row['hash']),
  };
}

function toStored(row: Row): StoredEvent {
  return { ...toHeader(row), data: String(row['data']), prevHash: String(row['prev_hash']) };
}

function toEvent(row: Row): JournalEvent {
  try {
    return { ...toHeader(row), data: JSON.parse(String(row['data'])) as Record<string, unknown> };
  } catch {
    // One damaged event must not keep the others from their readers; the checks name it.
    return { ...toHeader(row), data: { damaged: true } };
  }
}

/** Most events one call returns. */
const MAX_EVENTS = 1000;

/** Returns events after a sequence, oldest first. */
export function listEvents(reader: Reader, query: EventQuery): JournalEvent[] {
  const limit = Math.min(Math.max(1, Math.floor(query.limit)), MAX_EVENTS);
  const rows =
    query.jobId === undefined
      ? reader.sql.all(`SELECT ${COLUMNS} FROM events WHERE seq > $1 ORDER BY seq LIMIT $2`, query.after, limit)
      : reader.sql.all(
          `SELECT ${COLUMNS} FROM events WHERE subject = $1 AND seq > $2 ORDER BY seq LIMIT $3`,
          query.jobId,
          query.after,
          limit,
        );
  return rows.map(toEvent);
}

/** Last sequence in the table and its hash, whatever the counters say; zeros when it is empty. */
export function readLastEvent(sql: Sql): { seq: number; hash: string } {
  const row = sql.get('SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1');
  return row === null ? { seq: 0, hash: GENESIS } : { seq: Number(row['seq']), hash: String(row['hash']) };
}

/** Hash of one event, or null when it is not there. */
export function readEventHash(sql: Sql, seq: number): string | null {
  const row = sql.get('SELECT hash FROM events WHERE seq = $1', seq);
  return row === null ? null : String(row['hash']);
}

/** Returns the chain of a subject, oldest first. */
export function readChain(sql: Sql, subject: string): StoredEvent[] {
  return sql.all(`SELECT ${COLUMNS} FROM events WHERE subject = $1 ORDER BY seq`, subject).map(toStored);
}

/** Yields every event, chain by chain, each oldest first. */
export function* iterateChains(sql: Sql): Generator<StoredEvent> {
  for (const row of sql.iterate(`SELECT ${COLUMNS} FROM events ORDER BY subject, seq`)) yield toStored(row);
}
