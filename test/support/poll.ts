import { setTimeout as sleep } from 'node:timers/promises';

/** Generous on purpose: a slow machine must not fail a test, a hang must not block the run for ever. */
export const DEADLINE_MS = Number(process.env['TEST_DEADLINE_MS'] ?? 90_000);

/** Asks `probe` until it returns something other than null, undefined or false; throws with `what` at the deadline. */
export async function until<T>(
  what: string,
  probe: () => T | null | undefined | false | Promise<T | null | undefined | false>,
  options: { deadlineMs?: number; everyMs?: number } = {},
): Promise<T> {
  const end = performance.now() + (options.deadlineMs ?? DEADLINE_MS);
  for (;;) {
    const value = await probe();
    if (value !== null && value !== undefined && value !== false) return value;
    if (performance.now() > end) throw new Error(`waited in vain until ${what}`);
    await sleep(options.everyMs ?? 25);
  }
}

/** Waits for `promise`, `deadlineMs` at most; throws with `what` at the deadline. Leaves no timer behind. */
export async function within<T>(what: string, promise: Promise<T>, deadlineMs = DEADLINE_MS): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`waited in vain for ${what}`)), deadlineMs);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
