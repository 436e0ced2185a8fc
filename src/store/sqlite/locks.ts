/** Short critical sections. A lock's events belong to the chain of its job, else of its repository. */
import { fail } from '../../kernel/errors.ts';
import { parseLockKey } from '../../lifecycle/lock-key.ts';
import type { Store } from '../store.ts';
import type { Lock } from '../waiting-store.ts';
import { readLockRow } from './damaged-locks.ts';
import { LOCKS } from './entities.ts';
import { insertRecord, withoutNulls } from './records.ts';
import { readJob, writeHead } from './jobs.ts';
import { appendEvent } from './journal.ts';
import { readRepository } from './repositories.ts';
import type { Reader, Session } from './session.ts';

/** Throws `lock-damaged` for a row that cannot be read: nobody may take it for free, nor for anybody's. */
function readLock(reader: Reader, key: string): Lock | null {
  const row = reader.sql.get(`SELECT ${LOCKS.select} FROM locks WHERE key = $1`, key);
  if (row === null) return null;
  const read = readLockRow(row);
  if ('why' in read) throw fail('lock-damaged', `${key}: ${read.why}`);
  return read.lock;
}

/** Returns the locks that can be read, by key. */
export function listLocks(reader: Reader): Lock[] {
  const rows = reader.sql.all(`SELECT ${LOCKS.select} FROM locks ORDER BY key`);
  return rows.flatMap((row) => {
    const read = readLockRow(row);
    return 'lock' in read ? [read.lock] : [];
  });
}

function appendLockEvent(
  session: Session,
  lock: Lock,
  { kind, data, actor = lock.boot }: { kind: string; data: object; actor?: string | undefined },
): void {
  if (lock.jobId !== null) {
    const job = readJob(session, lock.jobId);
    const event = { actor, kind, subject: lock.jobId, jobId: lock.jobId, attemptId: null, data };
    writeHead(session, job, appendEvent(session, event, job.head));
    return;
  }
  const { record, head } = readRepository(session, parseLockKey(lock.key)?.repository ?? '');
  const event = { actor, kind, subject: record.id, jobId: null, attemptId: null, data };
  session.sql.run('UPDATE repositories SET head = $1 WHERE id = $2', appendEvent(session, event, head), record.id);
}

/** Takes a lock; null when another operation holds it. The same operation gets the lock it has. */
export function acquireLock(session: Session, input: Omit<Lock, 'acquiredAt' | 'fence'>): Lock | null {
  const name = parseLockKey(input.key)?.repository;
  if (name === undefined) throw fail('bad-request', `"${input.key}" is not the key of a lock`);
  readRepository(session, name);
  const held = readLock(session, input.key);
  if (held !== null) return held.operation === input.operation && held.boot === input.boot ? held : null;
  const lock: Lock = { ...input, acquiredAt: session.at, fence: session.counters.next('lockFence') };
  appendLockEvent(session, lock, { kind: 'lock.acquire', data: withoutNulls(lock) });
  insertRecord(session.sql, LOCKS, { record: lock, head: null });
  return lock;
}

/** Lets a lock go, unless a newer fence holds it or nobody does. */
export function releaseLock(session: Session, ...[key, fence, actor]: Parameters<Store['releaseLock']>): void {
  const lock = readLock(session, key);
  if (lock === null || lock.fence !== fence) return;
  appendLockEvent(session, lock, { kind: 'lock.release', data: { key, fence }, actor });
  session.sql.run('DELETE FROM locks WHERE key = $1 AND fence = $2', key, fence);
}
