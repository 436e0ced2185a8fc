import { DatabaseSync } from 'node:sqlite';
import { fail } from '../../kernel/errors.ts';
import { messageOf } from '../../kernel/result.ts';

/** How long a second server waits for the first to let go, milliseconds. */
const BUSY_TIMEOUT_MS = 1500;

/** Whoever holds a damaged one cannot be asked for: only a person knows that nobody does. */
const DAMAGED_HINT =
  'It holds nothing but the right to this home. Make sure that no server of this home runs, remove this file, and start again.';

function isDamaged(error: unknown): boolean {
  return /not a database|malformed/i.test(messageOf(error));
}

/** The right to serve one home, held as long as the process lives. */
export interface HomeLock {
  release(): void;
}

/**
 * Takes the right to serve a home: an exclusive transaction that stays open on its own small database. The kernel drops
 * it when the process dies, however it dies, and a stopped process keeps it. Returns null when another process holds it.
 * Nothing else may ever open this file: any close in this process would drop the POSIX lock.
 */
export function takeHomeLock(path: string, waitMs = BUSY_TIMEOUT_MS): HomeLock | null {
  const database = openLockDatabase(path);
  try {
    database.exec(`PRAGMA busy_timeout = ${Math.round(waitMs)}`);
    database.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    if (/locked|busy/i.test(messageOf(error))) return null;
    const why = `the server lock ${path} cannot be taken: ${messageOf(error)}`;
    throw fail('home-unusable', why, { cause: error, ...(isDamaged(error) ? { hint: DAMAGED_HINT } : {}) });
  }
  return {
    release: () => {
      if (database.isOpen) database.close();
    },
  };
}

function openLockDatabase(path: string): DatabaseSync {
  try {
    return new DatabaseSync(path);
  } catch (error) {
    throw fail('home-unusable', `the server lock ${path} cannot be opened: ${messageOf(error)}`, { cause: error });
  }
}
