/** What a try means: sent, again later, or given up. A pure function of the answer, the schedule and the time. */
import { MAX_DELIVERY_WAIT_MS } from '../lifecycle/delivery.ts';

/** What came of a request. */
export type TryResult =
  | { kind: 'answer'; status: number; retryAfter: string | null }
  /** No answer: refused, timed out, broken. */
  | { kind: 'error'; message: string }
  /** The target may not be sent to. */
  | { kind: 'forbidden'; message: string };

export interface TryVerdict {
  transition: 'deliver' | 'retry' | 'fail';
  status: number | null;
  error: string | null;
  nextAt: number | null;
  gone: boolean;
}

/** Waits before the second, third and fourth try, milliseconds (30 s, 2 min, 10 min). */
export const RETRY_WAITS_MS: readonly number[] = [30_000, 120_000, 600_000];

/** Answers of the 4xx class that say `later`, not `no`. */
const LATER = new Set([408, 429]);

/** Milliseconds a Retry-After (seconds or a date) asks for; 0 without one that can be read. */
function readRetryAfter(value: string | null, now: number): number {
  if (value === null) return 0;
  if (/^\d{1,9}$/.test(value.trim())) return Number(value) * 1000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? 0 : Math.max(0, at - now);
}

/** Returns what follows from a try. `roundTries` counts it; `waitsMs` has one entry less than there are tries. */
export function judgeTry(
  result: TryResult,
  { roundTries, waitsMs, now }: { roundTries: number; waitsMs: readonly number[]; now: number },
): TryVerdict {
  if (result.kind === 'forbidden') {
    return { transition: 'fail', status: null, error: result.message, nextAt: null, gone: false };
  }
  const status = result.kind === 'answer' ? result.status : null;
  if (status !== null && status >= 200 && status < 300) {
    return { transition: 'deliver', status, error: null, nextAt: null, gone: false };
  }
  const error = result.kind === 'answer' ? describe(result.status) : result.message;
  const isFinal = status !== null && status >= 400 && status < 500 && !LATER.has(status);
  const wait = waitsMs[roundTries - 1];
  if (isFinal || wait === undefined) return { transition: 'fail', status, error, nextAt: null, gone: status === 410 };
  const asked = result.kind === 'answer' ? readRetryAfter(result.retryAfter, now) : 0;
  const nextAt = now + Math.min(MAX_DELIVERY_WAIT_MS, Math.max(wait, asked));
  return { transition: 'retry', status, error, nextAt, gone: false };
}

function describe(status: number): string {
  if (status === 410) return 'it answered 410: the target is gone, and disabled';
  if (status >= 300 && status < 400) return `it answered ${status}: redirects are not followed`;
  return `it answered ${status}`;
}
