import { presentEvent } from './present.ts';
import type { Services } from './services.ts';
import { formatFrame, Heart, Wakeup } from './sse.ts';

/** Events read at once. */
const EVENTS = 100;

/** Yields every journal row after `start` as a frame, for ever. Reads the store again after each commit, keeps nothing. */
export async function* streamEvents(
  services: Services,
  start: number,
  signal: AbortSignal,
): AsyncGenerator<string, void> {
  const wakeup = new Wakeup();
  const heart = new Heart(services.clock);
  const stopListening = services.store.onCommit(() => wakeup.notify());
  try {
    let seq = start;
    yield formatFrame({ id: String(seq), event: 'boot', data: { bootId: services.bootId } });
    while (!signal.aborted) {
      const events = await services.store.listEvents({ after: seq, limit: EVENTS });
      for (const event of events) {
        seq = event.seq;
        heart.beat();
        yield formatFrame({ id: String(seq), event: 'event', data: presentEvent(event) });
      }
      if (events.length > 0) continue;
      const ping = await heart.rest(wakeup, signal);
      if (ping !== null) yield ping;
    }
  } finally {
    stopListening();
  }
}
