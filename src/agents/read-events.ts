import type { AgentAdapter, AgentEvent, Summary } from './adapter.ts';
import { addEvent, emptySummary } from './summary.ts';

/** Lines longer than this are `other`, and are not kept in memory whole. */
export const MAX_LINE_BYTES = 8 * 2 ** 20;

const FIRST_BUFFER_BYTES = 64 * 1024;
const NEWLINE = 0x0a;

export interface EventReader {
  /** Takes the next bytes of the output; returns the events of the lines they complete. Keeps nothing of `chunk`. */
  push(chunk: Uint8Array): AgentEvent[];
  /** What all complete lines so far amount to. */
  readonly seen: Summary;
  /** Bytes of all complete lines so far: where a reader of the same output would go on. */
  readonly offset: number;
}

/**
 * Returns a reader of an agent's output that gives the same events however the bytes are cut. A last line without its
 * newline is never parsed: the agent may have died while writing it.
 */
export function createEventReader(adapter: Pick<AgentAdapter, 'parseEvent'>): EventReader {
  let seen = emptySummary();
  let offset = 0;
  let events: AgentEvent[] = [];
  const lines = createLineReader((text, bytes) => {
    offset += bytes + 1;
    for (const event of text === null ? [{ kind: 'other' } as const] : adapter.parseEvent(text)) {
      seen = addEvent(seen, event);
      events.push(event);
    }
  });

  return {
    push: (chunk) => {
      events = [];
      lines.push(chunk);
      return events;
    },
    get seen() {
      return seen;
    },
    get offset() {
      return offset;
    },
  };
}

/**
 * Cuts bytes into lines and hands over each complete one with its length in bytes, null instead of the text of one that
 * is longer than `MAX_LINE_BYTES`. `takeRest` returns the line that has no end yet, and forgets it.
 */
export function createLineReader(onLine: (text: string | null, bytes: number) => void): {
  push(chunk: Uint8Array): void;
  takeRest(): string | null;
} {
  const line = createLineBuffer();
  return {
    push: (chunk) => {
      let from = 0;
      for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, from)) {
        line.add(chunk.subarray(from, end));
        from = end + 1;
        const bytes = line.length;
        onLine(line.take(), bytes);
      }
      line.add(chunk.subarray(from));
    },
    takeRest: () => line.take(),
  };
}

/** The bytes of the line that is not complete yet: at most `MAX_LINE_BYTES` of them, beyond that only counted. */
function createLineBuffer(): { add(bytes: Uint8Array): void; take(): string | null; readonly length: number } {
  let buffer = Buffer.allocUnsafe(FIRST_BUFFER_BYTES);
  let length = 0;
  return {
    add: (bytes) => {
      const total = length + bytes.length;
      if (total <= MAX_LINE_BYTES) {
        if (total > buffer.length) {
          const larger = Buffer.allocUnsafe(Math.max(total, buffer.length * 2));
          buffer.copy(larger, 0, 0, length);
          buffer = larger;
        }
        buffer.set(bytes, length);
      }
      length = total;
    },
    take: () => {
      const text = length > MAX_LINE_BYTES ? null : buffer.toString('utf8', 0, length);
      length = 0;
      // One long line must not hold its memory for the rest of the attempt.
      if (buffer.length > FIRST_BUFFER_BYTES) buffer = Buffer.allocUnsafe(FIRST_BUFFER_BYTES);
      return text;
    },
    get length() {
      return length;
    },
  };
}
