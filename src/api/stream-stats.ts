/** What the event streams of a server did, as plain counts: the streams add, the metrics read. */
export interface StreamStats {
  /** Open now, by what they show. */
  open: Record<StreamKind, number>;
  /** Closed because the client took nothing for too long. */
  closedSilent: number;
  /** Times a live reader of all events had to read the store again. */
  fellBehind: number;
  /** Refused, by the limit that was reached. */
  refused: Record<StreamLimit, number>;
}

export const STREAM_KINDS = ['events', 'job'] as const;
export type StreamKind = (typeof STREAM_KINDS)[number];
export const STREAM_LIMITS = ['total', 'principal'] as const;
export type StreamLimit = (typeof STREAM_LIMITS)[number];

/** Returns the counts of a server that has just started. */
export function createStreamStats(): StreamStats {
  return { open: { events: 0, job: 0 }, closedSilent: 0, fellBehind: 0, refused: { total: 0, principal: 0 } };
}
