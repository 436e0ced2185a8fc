/** Taking a lock away for an operator, whatever its row is like. */
import { fail } from '../../kernel/errors.ts';
import { LOCKS, REPOSITORIES } from './entities.ts';
import { foldChain, listHeldIn, readLockRow, subjectOfRepository } from './damaged-locks.ts';
import { appendEvent } from './journal.ts';
import { readJob, writeHead } from './jobs.ts';
import type { Session } from './session.ts';

/**
 * Deletes the row and says so in every chain that has it held: a damaged row may name the wrong one. Reads chains of
 * live work only; throws `not-found` when neither a row nor one of those chains knows the key, and `lock-held` when a
 * lock that can be read is another than the one the operator was asked about (`seen`, its fence).
 */
export function clearLock(session: Session, clear: { key: string; seen: number | null; actor: string }): void {
  const { key, seen, actor } = clear;
  const { sql } = session;
  const row = sql.get(`SELECT ${LOCKS.select} FROM locks WHERE key = $1`, key);
  const read = row === null ? null : readLockRow(row);
  if (read !== null && 'lock' in read && read.lock.fence !== seen) {
    throw fail('lock-held', `${read.lock.operation} has taken ${key} meanwhile`);
  }
  const jobs = sql.all('SELECT id FROM jobs WHERE finished_at IS NULL ORDER BY number').map(({ id }) => String(id));
  if (read !== null && 'lock' in read && read.lock.jobId !== null) jobs.push(read.lock.jobId);
  let found = row !== null;
  const release = { actor, kind: 'lock.release', attemptId: null, data: { key, cleared: true } };
  for (const jobId of new Set(jobs)) {
    if (!isHeldIn(session, jobId, key)) continue;
    found = true;
    const job = readJob(session, jobId);
    writeHead(session, job, appendEvent(session, { ...release, subject: jobId, jobId }, job.head));
  }
  const repository = subjectOfRepository(sql, key);
  if (repository !== null && (found || isHeldIn(session, repository, key))) {
    found = true;
    // Also where a job held it: what an operator does to a repository is found in its own history.
    const before = String(sql.get('SELECT head FROM repositories WHERE id = $1', repository)?.['head']);
    const head = appendEvent(session, { ...release, subject: repository, jobId: null }, before);
    sql.run(`UPDATE ${REPOSITORIES.table} SET head = $1 WHERE id = $2`, head, repository);
  }
  if (!found) throw fail('not-found', `nobody holds a lock "${key}"`);
  sql.run('DELETE FROM locks WHERE key = $1', key);
}

function isHeldIn(session: Session, subject: string, key: string): boolean {
  return listHeldIn(foldChain(session.sql, subject)).some((one) => one.key === key);
}
