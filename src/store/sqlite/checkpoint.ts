/**
 * Checkpoints between groups, after the answers: nobody waits for one, and its errors are seen. SQLite's own would run
 * inside COMMIT and swallow a failed flush of the database file, after which a repeated one proves nothing.
 */
import { FatalError } from './group-commit.ts';
import type { OpenDatabase } from './open.ts';
import { messageOf } from '../../kernel/result.ts';
import { classify } from './sql.ts';

/** Pages in the write-ahead log that make a checkpoint due: 16 MiB, read again at the next start in milliseconds. */
const DUE_PAGES = 4096;

/** Moves the log into the database file when it has grown. A full disk only postpones it. */
export function checkpointIfDue(store: OpenDatabase): void {
  const { sql } = store;
  try {
    // NOOP tells the number of pages; versions of SQLite without it take it for PASSIVE, which is right, only slower.
    if (Number(sql.get('PRAGMA wal_checkpoint(NOOP)')?.['log'] ?? 0) < DUE_PAGES) return;
    sql.get('PRAGMA wal_checkpoint(PASSIVE)');
  } catch (error) {
    const failure = classify(error);
    if (failure !== 'full' && failure !== 'busy') throw new FatalError(messageOf(error), { cause: error });
  }
}
