/**
 * Server-sent events, written by hand: the reader pulls, so a client that does not read makes the generator wait and
 * nothing is kept for it; a client that goes, or a server that stops, ends the generator at its next wait.
 */
import { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';
import { fail } from '../kernel/errors.ts';
import type { Clock } from '../kernel/clock.ts';
import { messageOf } from '../kernel/result.ts';
import type { RouteContext } from './api.ts';

/** A silent stream says this often that it lives. */
const PING_MS = 15_000;
/** Fallback for a change that nobody told us about. */
const RECHECK_MS = 1000;
/** Bytes made ahead of a client's reading. */
const HIGH_WATER_BYTES = 64 * 1024;

/** Returns one frame. `id` is where a client resumes that saw this frame last. */
export function formatFrame(frame: { id: string; event: string; data: unknown }): string {
  return `id: ${frame.id}\nevent: ${frame.event}\ndata: ${JSON.stringify(frame.data)}\n\n`;
}

/** Remembers that something changed until somebody waits for it, so that no change between two looks is missed. */
export class Wakeup {
  #isPending = false;
  #wake: (() => void) | null = null;

  notify(): void {
    this.#isPending = true;
    this.#wake?.();
  }

  /** Resolves when notified (also since the last wait), when aborted, or after `ms`. */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    if (!this.#isPending && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          clearTimeout(timer);
          signal.removeEventListener('abort', wake);
          resolve();
        };
        const timer = setTimeout(wake, ms);
        signal.addEventListener('abort', wake, { once: true });
        this.#wake = wake;
      });
    }
    this.#wake = null;
    this.#isPending = false;
  }
}

/** Waits for a change and yields a comment when the stream has been silent for too long. */
export class Heart {
  readonly #clock: Clock;
  #lastAt: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#lastAt = clock.monotonic();
  }

  /** Tells that a frame was just sent. */
  beat(): void {
    this.#lastAt = this.#clock.monotonic();
  }

  /** Waits for a change, a little while at most; returns a ping when one is due, else null. */
  async rest(wakeup: Wakeup, signal: AbortSignal): Promise<string | null> {
    const untilPing = this.#lastAt + PING_MS - this.#clock.monotonic();
    await wakeup.wait(Math.max(0, Math.min(RECHECK_MS, untilPing)), signal);
    if (this.#clock.monotonic() - this.#lastAt < PING_MS) return null;
    this.beat();
    return ': ping\n\n';
  }
}

/** Opens and counts the event streams of one server. */
export class Streams {
  readonly #context: RouteContext;
  /** Most streams at once; each costs a watch and up to one buffered chunk. */
  readonly #limit: number;
  #open = 0;

  constructor(context: RouteContext, limit: number) {
    this.#context = context;
    this.#limit = limit;
  }

  /** Answers with the frames of `make` until they end, the client goes or the server stops. */
  send(reply: FastifyReply, make: (signal: AbortSignal) => AsyncIterable<string>): FastifyReply {
    if (this.#open >= this.#limit) {
      reply.header('retry-after', 5);
      throw fail('rate-limited', `${this.#limit} event streams are open already`);
    }
    this.#open++;
    const gone = new AbortController();
    reply.raw.once('close', () => {
      this.#open--;
      gone.abort();
    });
    const frames = make(AbortSignal.any([gone.signal, this.#context.stopping]));
    const body = Readable.from(frames, { objectMode: false, highWaterMark: HIGH_WATER_BYTES });
    body.once('error', (error) => this.#context.log.error('event stream failed', { error: messageOf(error) }));
    reply.header('x-accel-buffering', 'no');
    return reply.type('text/event-stream; charset=utf-8').send(body);
  }
}
