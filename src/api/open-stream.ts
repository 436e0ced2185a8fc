import type { Clock } from '../kernel/clock.ts';
import type { StreamLimits } from './stream-limits.ts';

/** Why a server ends a stream that its client should open again. */
export type Farewell = 'stopping' | 'renew';

const PING = ': ping\n\n';

/**
 * One stream with a client at its other end, as whoever makes its frames sees it: when to look again, when to ping, and
 * when to stop. It remembers that something changed until that is waited for, so that no change between two looks is
 * missed.
 */
export class OpenStream {
  readonly #clock: Clock;
  readonly #pingMs: number;
  readonly #renewAt: number;
  #lastAt: number;
  #isPending = false;
  #wake: (() => void) | null = null;
  #farewell: Farewell | null = null;
  #isGone = false;

  /** `ordinal` spreads what was opened together over the last quarter of its time. */
  constructor(options: { clock: Clock; limits: StreamLimits; ordinal: number }) {
    const { clock, limits, ordinal } = options;
    this.#clock = clock;
    this.#pingMs = limits.pingMs;
    this.#lastAt = clock.monotonic();
    this.#renewAt = this.#lastAt + limits.renewMs * (1 - (ordinal % 16) / 64);
  }

  /** The client is gone, or is to come back: make no more frames. */
  get isOver(): boolean {
    return this.#isGone || this.#farewell !== null;
  }

  /** What to tell the client last; null when it is gone or the stream ends by itself. */
  get farewell(): Farewell | null {
    return this.#isGone ? null : this.#farewell;
  }

  /** Ends the wait, this one or the next. */
  notify(): void {
    this.#isPending = true;
    this.#wake?.();
  }

  /** Tells that a frame was just sent. */
  beat(): void {
    this.#lastAt = this.#clock.monotonic();
  }

  /** Ends the stream; its client is told why and comes back. */
  end(farewell: Farewell): void {
    this.#farewell ??= farewell;
    this.notify();
  }

  /** Ends the stream, whose client is gone. */
  leave(): void {
    this.#isGone = true;
    this.notify();
  }

  /** Whether there is something to do though nothing changed; ends a stream whose time is over. */
  isDue(): boolean {
    const now = this.#clock.monotonic();
    if (now >= this.#renewAt) this.#farewell ??= 'renew';
    return this.#farewell !== null || now - this.#lastAt >= this.#pingMs;
  }

  /** Waits until something changed; returns a ping when one is due, else null. */
  async rest(): Promise<string | null> {
    if (!this.#isPending && !this.isOver) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#wake = null;
    this.#isPending = false;
    if (this.isOver || this.#clock.monotonic() - this.#lastAt < this.#pingMs) return null;
    this.beat();
    return PING;
  }
}
