import { formatEvent } from './event-feed.ts';
import { formatBye, formatFrame } from './frame.ts';
import type { Services } from './services.ts';
import type { StreamTools } from './sse.ts';
import type { Store } from '../store/store.ts';
import type { BacklogPage } from './event-backlog.ts';

/** Events read at once. */
const EVENTS = 100;

/**
 * Yields every journal row after `start` as a frame, until the stream is over. Live it is served from the feed, which
 * all streams share; a reader that is not there yet, or was too slow, reads the store from its own position, which is all
 * that is kept of it. After each page it waits for its next turn among all streams.
 */
export async function* streamEvents(
  { store, bootId, streamStats }: Pick<Services, 'store' | 'bootId' | 'streamStats'>,
  { start, tools }: { start: number; tools: StreamTools },
): AsyncGenerator<string | Buffer, void> {
  const { stream, feed, pacer } = tools;
  const leave = feed.followAll(stream);
  let seq = start;
  let isLive = false;
  try {
    yield formatFrame({ id: String(seq), event: 'boot', data: { bootId } });
    while (!stream.isOver) {
      const page = feed.read(seq);
      if (page === 'behind' && isLive) streamStats.fellBehind++;
      isLive = page !== 'behind';
      const next = page === 'behind' ? await readStore(store, seq, feed.floor) : page;
      if (next !== null) {
        seq = next.seq;
        stream.beat();
        if (next.bytes.length > 0) yield next.bytes;
        if (feed.read(seq) !== null) pacer.add(stream);
      }
      const ping = await stream.rest();
      if (ping !== null) yield ping;
    }
    if (stream.farewell !== null) yield formatBye(String(seq), stream.farewell);
  } finally {
    leave();
  }
}

/** `floor` is that of before the look: whatever is committed after the look is above it, and so in the feed. */
async function readStore(store: Store, after: number, floor: number | null): Promise<BacklogPage | null> {
  const events = await store.listEvents({ after, limit: EVENTS });
  const last = events.at(-1);
  if (last !== undefined) return { bytes: Buffer.from(events.map(formatEvent).join('')), seq: last.seq };
  // Nothing is left up to the floor: what was there was removed.
  return floor === null ? null : { bytes: Buffer.alloc(0), seq: Math.max(after, floor) };
}
