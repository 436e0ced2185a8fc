/** Time as the rest of the code sees it; injected so that tests can jump it. */
export interface Clock {
  /** Wall clock, milliseconds since 1970. For people and records, never for deciding that something expired. */
  now(): number;
  /** Monotonic milliseconds; not affected by someone setting the clock. Its zero is arbitrary per process. */
  monotonic(): number;
}

/** The machine's own clocks. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
};

/** Returns `ms` since 1970 as ISO 8601 UTC, the form every interface shows. */
export function toIso(ms: number): string {
  return new Date(ms).toISOString();
}
