/**
 * Steps 6 and 12: room for the exit record is taken and flushed while there is room, so that a full disk cannot lose how
 * the agent ended.
 */
import { closeSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs';
import { syncDirectorySync, writeDurableSync } from '../../kernel/durable.ts';
import { failpoint } from '../../kernel/failpoints.ts';
import { RESERVE_BYTES, RUN_FILES, encodeRecord, type ExitRecord } from '../protocol.ts';

/** Keeps every record far below the reserve, whatever a reason quotes. */
const REASON_LIMIT = 1000;

/** The reserved file, open for the one write it is there for. */
export interface Reserve {
  fd: number;
}

/** Fills `.exit.reserve` with blanks, durably. Throws when the disk has no room for it. */
export function reserveExitRecord(): Reserve {
  const fd = openSync(RUN_FILES.reserve, 'wx', 0o600);
  try {
    writeAll(fd, Buffer.alloc(RESERVE_BYTES, ' '));
    fsyncSync(fd);
    syncDirectorySync('.');
    return { fd };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/**
 * Writes exit.json, durably: over the blanks of the reserve, or as a new file when there was no room for one. A failure
 * is thrown and leaves no exit.json; it is not tried again, since after a failed flush nobody knows what is on the disk.
 */
export function writeExitRecord(attempt: string, body: ExitRecord, reserve: Reserve | null): void {
  const text = encodeRecord(attempt, { ...body, reason: body.reason?.slice(0, REASON_LIMIT) ?? null });
  if (reserve === null) {
    failpoint('keeper.before-exit-rename');
    writeDurableSync(RUN_FILES.exit, text);
    return;
  }
  // Blanks after the line stay: cutting the file would need the disk once more, and a reader skips them.
  writeAll(reserve.fd, Buffer.from(text));
  fsyncSync(reserve.fd);
  closeSync(reserve.fd);
  failpoint('keeper.before-exit-rename');
  renameSync(RUN_FILES.reserve, RUN_FILES.exit);
  syncDirectorySync('.');
}

function writeAll(fd: number, bytes: Buffer): void {
  for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done, bytes.length - done, done);
}
