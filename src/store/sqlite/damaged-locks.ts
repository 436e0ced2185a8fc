/**
 * Locks that cannot be trusted: a row whose fields make no sense, or that is not what the journal says. They concern
 * the repository they are named after and nobody else, so they are told apart from damage of the job or repository
 * whose chain tells of them.
 */
import { parseLockKey } from '../../lifecycle/lock-key.ts';
import type { DamagedLock, Lock } from '../waiting-store.ts';
import { LOCKS } from './entities.ts';
import { readChain } from './journal.ts';
import { toRecord } from './records.ts';
import { beginFold, foldEvent, type Fold } from './replay.ts';
import type { Row, Sql } from './sql.ts';

/** Returns the lock of a row, or why it cannot be read. */
export function readLockRow(row: Row): { lock: Lock } | { why: string } {
  let lock: Lock;
  try {
    lock = toRecord(LOCKS, row);
  } catch {
    return { why: 'its holder cannot be read' };
  }
  const why = whyNonsense(lock);
  return why === null ? { lock } : { why };
}

function whyNonsense(lock: { [K in keyof Lock]: unknown }): string | null {
  const { key, boot, operation, jobId, acquiredAt, fence } = lock;
  const holder = (lock.holder ?? {}) as { pid?: unknown; start?: unknown };
  if (typeof key !== 'string' || parseLockKey(key) === null) return 'its key names no lock';
  if (!Number.isSafeInteger(holder.pid) || Number(holder.pid) < 1) return 'its holder is not a process';
  if (typeof holder.start !== 'string' || !/^\d+$/.test(holder.start)) return 'its holder has no start time';
  if (typeof boot !== 'string' || boot === '') return 'it names no boot';
  if (typeof operation !== 'string' || operation === '') return 'it names no operation';
  if (jobId !== null && typeof jobId !== 'string') return 'its job cannot be read';
  if (!Number.isSafeInteger(acquiredAt) || Number(acquiredAt) < 1) return 'its time cannot be read';
  return Number.isSafeInteger(fence) && Number(fence) >= 1 ? null : 'its fence cannot be read';
}

/** Returns the locks a folded chain says are held. */
export function listHeldIn(fold: Fold): Lock[] {
  return [...fold.rows.values()].filter(({ entity }) => entity.noun === 'lock').map(({ record }) => record as never);
}

/** Returns the locks a chain says are held and no row knows. */
export function listMissingLocks(sql: Sql, fold: Fold): DamagedLock[] {
  return listHeldIn(fold)
    .filter(({ key }) => sql.get('SELECT 1 FROM locks WHERE key = $1', key) === null)
    .map(({ key }) => ({ key, why: 'the journal knows it, the table does not' }));
}

/** Folds the chain of one subject. */
export function foldChain(sql: Sql, subject: string): Fold {
  const fold = beginFold(subject);
  for (const event of readChain(sql, subject)) foldEvent(fold, event);
  return fold;
}

/** Returns the damaged locks among the rows, by key. */
export function listDamagedLocks({ sql }: { sql: Sql }): DamagedLock[] {
  const damaged: DamagedLock[] = [];
  for (const row of sql.all(`SELECT ${LOCKS.select} FROM locks ORDER BY key`)) {
    const read = readLockRow(row);
    const why = 'why' in read ? read.why : whyNotJournalled(sql, read.lock);
    if (why !== null) damaged.push({ key: String(row['key']), why });
  }
  return damaged;
}

function whyNotJournalled(sql: Sql, lock: Lock): string | null {
  const subject = lock.jobId ?? subjectOfRepository(sql, lock.key);
  if (subject === null) return 'its repository is not registered';
  const fold = foldChain(sql, subject);
  const known = listHeldIn(fold).find((one) => one.key === lock.key);
  if (known === undefined) return 'the journal does not know it';
  if (fold.faults.length > 0) return `the journal of its holder is damaged: ${fold.faults.join('; ')}`;
  const different = LOCKS.columns.filter(({ field }) => JSON.stringify(known[field]) !== JSON.stringify(lock[field]));
  if (different.length === 0) return null;
  return `${different.map(({ field }) => field).join(', ')} differ between row and journal`;
}

/** Id of the repository a lock is named after, or null. */
export function subjectOfRepository(sql: Sql, key: string): string | null {
  const name = parseLockKey(key)?.repository ?? null;
  const row = name === null ? null : sql.get('SELECT id FROM repositories WHERE name = $1', name);
  return row === null ? null : String(row['id']);
}
