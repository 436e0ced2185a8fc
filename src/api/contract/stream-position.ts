/** Where a reader of a job's stream is: everything before `offset` of `attempt` and up to event `seq` was sent. */
export interface StreamPosition {
  attempt: number;
  offset: number;
  seq: number;
}

/** Returns the id of a frame: `<attempt>:<offset after it>:<journal seq>`. */
export function formatStreamId(position: StreamPosition): string {
  return `${position.attempt}:${position.offset}:${position.seq}`;
}

/** Reads an id back; the sequence may be absent (all state frames come again). Null when it is none of ours. */
export function parseStreamId(text: string): StreamPosition | null {
  const match = /^([1-9]\d{0,8}):(\d{1,15})(?::(\d{1,15}))?$/.exec(text);
  if (match === null) return null;
  return { attempt: Number(match[1]), offset: Number(match[2]), seq: Number(match[3] ?? 0) };
}
