/** What is left of a removed row: the end of its chain, and whether its files are gone too. */
import { fail } from '../../kernel/errors.ts';
import { appendEvent } from './journal.ts';
import type { Reader, Session } from './session.ts';

/** Keeps the last hash of a chain whose row is about to go; its files are now due for removal. */
export function buryChain(session: Session, subject: string, head: string): void {
  session.sql.run('INSERT INTO tombstones (subject, head, removed_at) VALUES ($1, $2, $3)', subject, head, session.at);
}

/** Returns the ids whose row is removed and whose files are not known to be. */
export function listRemovals(reader: Reader): string[] {
  const rows = reader.sql.all('SELECT subject FROM tombstones WHERE cleared_at IS NULL ORDER BY subject');
  return rows.map((row) => String(row['subject']));
}

/** Records that nothing of a removed repository is left on disk; fine when that is known. Throws `not-found`. */
export function finishRemoval(session: Session, subject: string): void {
  const row = session.sql.get('SELECT head, cleared_at FROM tombstones WHERE subject = $1', subject);
  if (row === null) throw fail('not-found', `${subject} was not removed`);
  if (row['cleared_at'] !== null) return;
  const event = { actor: 'server', kind: 'repository.clear', subject, jobId: null, attemptId: null, data: {} };
  const head = appendEvent(session, event, String(row['head']));
  session.sql.run('UPDATE tombstones SET head = $1, cleared_at = $2 WHERE subject = $3', head, session.at, subject);
}
