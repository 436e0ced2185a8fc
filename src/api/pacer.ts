/** What is told that something changed. */
export interface Waiter {
  notify(): void;
}

/** Waiters told in one turn of the event loop. */
const SLICE = 32;
/** Rest after a full slice, as a multiple of the time its turn took: telling many takes a twentieth of the loop. */
const REST_SHARE = 19;
/** Waiters told in one turn that count as many; fewer rest less. */
const MANY = 8;
/** Longest rest, milliseconds: on a loop that is busy with other things, a turn says little about what telling costs. */
const MAX_REST_MS = 100;

/**
 * Tells waiters, a slice at a time with rests between, each once however often it is added meanwhile. A thousand streams
 * that wait for the same commit cost the callers of that commit nothing: their answers go out first, and while commits
 * come faster than the streams can be told, each stream gets several at once.
 */
export class Pacer {
  readonly #waiters = new Set<Waiter>();
  #isAtWork = false;

  /** Tells `waiter` soon; one that is in line already keeps its place. */
  add(waiter: Waiter): void {
    this.#waiters.add(waiter);
    if (this.#isAtWork) return;
    this.#isAtWork = true;
    setImmediate(() => this.#tell());
  }

  remove(waiter: Waiter): void {
    this.#waiters.delete(waiter);
  }

  #tell(): void {
    const began = performance.now();
    let told = 0;
    for (const waiter of this.#waiters) {
      this.#waiters.delete(waiter);
      waiter.notify();
      if (++told === SLICE) break;
    }
    // By then the streams that were told have written what they had.
    setImmediate(() => {
      const restMs = Math.min(MAX_REST_MS, (performance.now() - began) * REST_SHARE * Math.min(1, told / MANY));
      setTimeout(() => {
        this.#isAtWork = this.#waiters.size > 0;
        if (this.#isAtWork) this.#tell();
      }, restMs);
    });
  }
}
