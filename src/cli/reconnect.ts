import type { EventSourceMessage } from 'eventsource-parser';
import type { BootFrame, ByeFrame } from '../api/contract.ts';
import { backoffMs, delay } from '../kernel/backoff.ts';
import { isError } from '../kernel/errors.ts';
import { messageOf } from '../kernel/result.ts';
import type { Client } from './client.ts';
import { readMessages } from './sse.ts';

const FIRST_WAIT_MS = 100;
const MAX_WAIT_MS = 1000;
/** Refusals in a row of an address that was not renewed since the server went away: then they are meant for us. */
const REFUSALS = 30;

export interface Following {
  client: Client;
  path: string;
  query?: Record<string, string | number>;
  /** Where to go on, as the id of the last frame; null for the beginning. Asked anew for every connection. */
  lastEventId(): string | null;
  signal: AbortSignal;
  /** Called for every frame but `bye`, one after the other; true ends the following. */
  onMessage(message: EventSourceMessage): Promise<boolean>;
  /** Called once when the server goes away, and `onBack` once when it answers again. */
  onAway(reason: string): void;
  onBack(): void;
}

/**
 * Reads an event stream to its end across any number of restarts of the server: when the connection breaks it looks up
 * the address again and goes on from the last frame. Returns when `onMessage` says so; throws what the server refuses
 * for good, and the signal's reason when aborted.
 */
export async function followStream(following: Following): Promise<void> {
  const { signal } = following;
  let lastBoot: string | null = null;
  let failures = 0;
  let isAway = false;
  const setAway = (reason: string | null): void => {
    if (isAway === (reason !== null)) return;
    isAway = reason !== null;
    if (reason === null) following.onBack();
    else following.onAway(reason);
  };
  for (;;) {
    let bye: ByeFrame['reason'] | null = null;
    try {
      for await (const message of await openStream(following)) {
        if (message.event === 'boot') {
          lastBoot = (JSON.parse(message.data) as BootFrame).bootId;
          failures = 0;
          setAway(null);
        }
        if (message.event === 'bye') bye = (JSON.parse(message.data) as ByeFrame).reason;
        else if (await following.onMessage(message)) return;
      }
      if (signal.aborted) throw signal.reason;
      if (bye !== 'renew') setAway(bye === 'stopping' ? 'it is stopping' : 'it closed the connection');
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      const lost = isError(error, 'server-unreachable') || isError(error, 'not-ready') || isFull(error, lastBoot);
      if (!lost && !(isError(error) && failures < REFUSALS && (await isStale(following.client, lastBoot)))) throw error;
      setAway(isError(error) ? error.detail : messageOf(error));
    }
    failures += 1;
    await delay(backoffMs(failures, FIRST_WAIT_MS, MAX_WAIT_MS), signal);
  }
}

/** Whether the server has no place just now for a stream it had before: everybody comes back at once after a restart. */
function isFull(error: unknown, lastBoot: string | null): boolean {
  return lastBoot !== null && (isError(error, 'streams-full') || isError(error, 'too-many-streams'));
}

async function openStream(following: Following): Promise<AsyncGenerator<EventSourceMessage>> {
  const lastEventId = following.lastEventId();
  const response = await following.client.once({
    path: following.path,
    query: following.query ?? {},
    headers: { accept: 'text/event-stream', ...(lastEventId === null ? {} : { 'last-event-id': lastEventId }) },
    signal: following.signal,
    timeoutMs: null,
  });
  return readMessages(response, following.signal);
}

/**
 * Whether the address is still that of the start we were connected to: after a crash somebody else's server may have
 * taken its port, and what that one says about our job means nothing.
 */
async function isStale(client: Client, lastBoot: string | null): Promise<boolean> {
  if (lastBoot === null) return false;
  try {
    return (await client.address()).bootId === lastBoot;
  } catch {
    return true;
  }
}
