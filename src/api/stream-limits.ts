/** How many event streams may be open, and how long each of their clients may do nothing. Times in milliseconds. */
export interface StreamLimits {
  /** Open at once; the next one gets 503. */
  total: number;
  /** Open at once of one principal; the next one gets 429. */
  perPrincipal: number;
  /** A stream that says nothing says this often that it lives. */
  pingMs: number;
  /** A client that takes nothing of what waits for it is closed after this. */
  silentMs: number;
  /**
   * A stream is ended after this and its client comes back with its position. What a client takes only its kernel may
   * have taken: one that was stopped, or whose program hangs, holds a silent stream for no longer.
   */
  renewMs: number;
}

/** Each stream costs about 50 KB; one principal never takes all places. */
export const DEFAULT_STREAM_LIMITS: StreamLimits = {
  total: 1024,
  perPrincipal: 1000,
  pingMs: 15_000,
  silentMs: 30_000,
  renewMs: 3_600_000,
};

/** Open streams of one own-job token: an agent has one job to look at. */
export const MAX_STREAMS_PER_JOB = 16;
