import { backoffMs, delay } from '../kernel/backoff.ts';
import { isError } from '../kernel/errors.ts';
import type { AttemptContext } from './context.ts';

/** Longest pause between tries to record something on a full disk, milliseconds. */
const MAX_WAIT_MS = 30_000;

/**
 * Repeats `record` while the disk is full. A full disk delays a record, never the truth: the evidence stays in the run
 * directory until there is room. Every other error is thrown; so is the signal's reason.
 */
export async function recordPatiently<T>(
  ctx: AttemptContext,
  signal: AbortSignal,
  record: () => Promise<T>,
): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await record();
    } catch (error) {
      if (!isError(error, 'storage-full')) throw error;
      const waitMs = backoffMs(tries, 500, MAX_WAIT_MS);
      ctx.log.error(`the disk is full: a change of state waits ${waitMs} ms to be recorded`);
      await delay(waitMs, signal);
    }
  }
}
