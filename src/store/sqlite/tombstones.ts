/** What is left of a removed row: the end of its chain, and whether its files are gone too. */
import { toIso } from '../../kernel/clock.ts';
import { fail, type HoldfastError } from '../../kernel/errors.ts';
import type { Tombstone } from '../files-store.ts';
import { appendEvent, readEventHash } from './journal.ts';
import type { Reader, Session } from './session.ts';
import type { Sql } from './sql.ts';

/** Keeps the last hash of a chain whose row is about to go; its files are now due for removal. */
export function buryChain(session: Session, subject: string, head: string): void {
  session.sql.run('INSERT INTO tombstones (subject, head, removed_at) VALUES ($1, $2, $3)', subject, head, session.at);
}

/** Returns the ids whose row is removed and whose files are not known to be. */
export function listRemovals(reader: Reader): string[] {
  const rows = reader.sql.all('SELECT subject FROM tombstones WHERE cleared_at IS NULL ORDER BY subject');
  return rows.map((row) => String(row['subject']));
}

/** Returns the tombstone of a removed job by its id or number, or of anything else by its id; null when there is none. */
export function findTombstone(reader: Reader, reference: string): Tombstone | null {
  const [column, value] = /^\d{1,15}$/.test(reference) ? ['number', Number(reference)] : ['subject', reference];
  const row = reader.sql.get(
    `SELECT subject, number, repositories, removed_at, cleared_at FROM tombstones WHERE ${column} = $1`,
    value,
  );
  if (row === null) return null;
  return {
    id: String(row['subject']),
    number: row['number'] === null ? null : Number(row['number']),
    repositories: row['repositories'] === null ? [] : (JSON.parse(String(row['repositories'])) as string[]),
    removedAt: Number(row['removed_at']),
    clearedAt: row['cleared_at'] === null ? null : Number(row['cleared_at']),
  };
}

/** Returns the error for a job that is not there: `gone` with the time when it was removed, else `job-not-found`. */
export function failMissingJob(reader: Reader, id: string): HoldfastError {
  const tombstone = findTombstone(reader, id);
  if (tombstone === null) return fail('job-not-found', `there is no job ${id}`);
  return fail('gone', `job ${tombstone.number ?? id} was removed at ${toIso(tombstone.removedAt)}`);
}

/** Hash of an event that was witnessed; `removed` when it may have gone with the chain of a removed job; else null. */
export function readWitnessed(sql: Sql, seq: number): string | null {
  return readEventHash(sql, seq) ?? (wasRemoved(sql, seq) ? 'removed' : null);
}

function wasRemoved(sql: Sql, seq: number): boolean {
  const known = sql.get(`SELECT 1 FROM pragma_table_info('tombstones') WHERE name = 'last_seq'`);
  if (known === null) return false;
  return sql.get('SELECT 1 FROM tombstones WHERE first_seq <= $1 AND last_seq >= $1 LIMIT 1', seq) !== null;
}

/** Records that nothing of a removed repository or job is left on disk; fine when that is known. Throws `not-found`. */
export function finishRemoval(session: Session, subject: string): void {
  const row = session.sql.get('SELECT head, number, cleared_at FROM tombstones WHERE subject = $1', subject);
  if (row === null) throw fail('not-found', `${subject} was not removed`);
  if (row['cleared_at'] !== null) return;
  const isJob = row['number'] !== null;
  const about = { kind: isJob ? 'job.clear' : 'repository.clear', jobId: isJob ? subject : null };
  const event = { actor: 'server', subject, attemptId: null, data: {}, ...about };
  const head = appendEvent(session, event, String(row['head']));
  session.sql.run('UPDATE tombstones SET head = $1, cleared_at = $2 WHERE subject = $3', head, session.at, subject);
}
