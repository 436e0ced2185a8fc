/** keeper.log: the keeper's own errors. A log that cannot be written stops nothing. */
import { openSync, writeSync } from 'node:fs';
import { systemClock, toIso } from '../../kernel/clock.ts';
import { RUN_FILES } from '../protocol.ts';

let descriptor: number | null = null;
let last = '';

/** Opens the log in the current directory. Without it (a full disk) messages are lost. */
export function openLog(): void {
  try {
    descriptor = openSync(RUN_FILES.log, 'a', 0o600);
  } catch {
    descriptor = null;
  }
}

/** Appends one line; a message that repeats the previous one is left out, so that a full disk does not fill it more. */
export function log(message: string): void {
  if (message === last || descriptor === null) return;
  last = message;
  try {
    writeSync(descriptor, `${toIso(systemClock.now())} keeper ${process.pid}: ${message}\n`);
  } catch {
    // Nowhere left to say it.
  }
}
