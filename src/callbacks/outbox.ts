/**
 * The callbacks room tells others what the journal says. It owns no state: rows, order and claims are in the store. This
 * loop claims what is due whenever a commit may have made something due, sends it, and records what came of it; it sleeps
 * on one timer for the next kept time. It may not run before recovery has put back what a dead server was sending.
 */
import { backoffMs, delay } from '../kernel/backoff.ts';
import type { Clock } from '../kernel/clock.ts';
import { isError } from '../kernel/errors.ts';
import { failpoint } from '../kernel/failpoints.ts';
import type { Log } from '../kernel/log.ts';
import { messageOf } from '../kernel/result.ts';
import type { Service } from '../kernel/service.ts';
import type { Delivery } from '../lifecycle/delivery.ts';
import type { JournalEvent, Store } from '../store/store.ts';
import { judgeTry, type TryResult } from './judge-try.ts';

/** Longest pause after a failed write (full disk), milliseconds. */
const MAX_RETRY_MS = 30_000;
/** Longest sleep: the wall clock the times are kept by may be set meanwhile. */
const MAX_SLEEP_MS = 60_000;

export interface OutboxOptions {
  store: Store;
  clock: Clock;
  log: Log;
  /** Boot that sends. */
  boot: string;
  /** Tries under way at once, in all and to one host. */
  concurrency: number;
  perHost: number;
  waitsMs: readonly number[];
  /** Sends a delivery once; rejects only when aborted. */
  send: (delivery: Delivery, signal: AbortSignal) => Promise<TryResult>;
}

export interface Outbox extends Service {
  /** Puts back what an earlier server was sending; only before `start`, which does it otherwise. Can be repeated. */
  recover(): Promise<{ returned: number; pending: number; retrying: number }>;
}

/** Returns the outbox; it sends nothing before `start`. */
export function createOutbox(options: OutboxOptions): Outbox {
  return new ClaimLoop(options);
}

class ClaimLoop implements Outbox {
  readonly #options: OutboxOptions;
  readonly #busy = new Map<string, number>();
  readonly #underWay = new Set<Promise<void>>();
  readonly #stopping = new AbortController();
  #state: 'new' | 'running' | 'stopped' = 'new';
  #recovered = false;
  #asked = false;
  #claiming: Promise<void> | null = null;
  #failures = 0;
  #timer: NodeJS.Timeout | null = null;
  #unsubscribe: (() => void) | null = null;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  async recover(): Promise<{ returned: number; pending: number; retrying: number }> {
    const counts = await this.#options.store.returnDeliveries(this.#options.boot);
    this.#recovered = true;
    return counts;
  }

  async start(): Promise<void> {
    if (this.#state !== 'new') return;
    this.#state = 'running';
    this.#unsubscribe = this.#options.store.onCommit((events) => {
      if (events.some(mayMakeDue)) this.#wake();
    });
    this.#wake();
  }

  async stop(): Promise<void> {
    this.#state = 'stopped';
    this.#unsubscribe?.();
    if (this.#timer !== null) clearTimeout(this.#timer);
    // What is under way stays `sending`: the next start sends it again, under the same id.
    this.#stopping.abort(new Error('the server is stopping'));
    await this.#claiming;
    await Promise.all(this.#underWay);
  }

  #hasRoom(): boolean {
    return this.#underWay.size < this.#options.concurrency;
  }

  #wake(): void {
    this.#asked = true;
    if (this.#state !== 'running' || this.#claiming !== null || !this.#hasRoom()) return;
    this.#claiming = this.#claimAll().finally(() => {
      this.#claiming = null;
      if (this.#asked) this.#wake();
    });
  }

  #sleep(ms: number): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#wake(), Math.min(ms, MAX_SLEEP_MS));
  }

  async #claimAll(): Promise<void> {
    const { store, clock, log, boot: actor, concurrency, perHost } = this.#options;
    while (this.#asked && this.#state === 'running' && this.#hasRoom()) {
      this.#asked = false;
      try {
        if (!this.#recovered) await this.recover();
        const max = concurrency - this.#underWay.size;
        const claim = { actor, max, perHost, busy: Object.fromEntries(this.#busy) };
        const { deliveries, nextAt } = await store.claimDeliveries(claim);
        this.#failures = 0;
        for (const delivery of deliveries) this.#begin(delivery);
        if (nextAt !== null && this.#state === 'running') this.#sleep(nextAt - clock.now());
      } catch (error) {
        this.#failures += 1;
        const waitMs = backoffMs(this.#failures, 250, MAX_RETRY_MS);
        log.error(`callbacks cannot be claimed, next try in ${waitMs} ms: ${messageOf(error)}`);
        if (this.#state === 'running') this.#sleep(waitMs);
      }
    }
  }

  #begin(delivery: Delivery): void {
    const { host, id } = delivery;
    this.#busy.set(host, (this.#busy.get(host) ?? 0) + 1);
    const work = this.#carry(delivery)
      .catch((error: unknown) => {
        if (this.#state !== 'running') return;
        this.#options.log.error(`delivery ${id} is left to the next start: ${messageOf(error)}`);
      })
      .finally(() => {
        this.#underWay.delete(work);
        const left = (this.#busy.get(host) ?? 1) - 1;
        if (left === 0) this.#busy.delete(host);
        else this.#busy.set(host, left);
        this.#wake();
      });
    this.#underWay.add(work);
  }

  async #carry(delivery: Delivery): Promise<void> {
    const { send, waitsMs, clock, log, boot } = this.#options;
    failpoint('callbacks.before-send');
    const result = await send(delivery, this.#stopping.signal);
    failpoint('callbacks.after-send');
    const { id, host, type, roundTries, tries } = delivery;
    const verdict = judgeTry(result, { roundTries, waitsMs, now: clock.now() });
    if (verdict.transition === 'fail')
      log.warn(`callback failed: ${verdict.error}`, { delivery: id, host, type, tries });
    await this.#record({ ...verdict, id, try: tries, actor: boot });
    failpoint('callbacks.after-record');
  }

  /** A full disk must not turn a message that arrived into one that is sent again: waits until it can be recorded. */
  async #record(outcome: Parameters<Store['recordDelivery']>[0]): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#options.store.recordDelivery(outcome);
        return;
      } catch (error) {
        // Its job was removed meanwhile.
        if (isError(error, 'delivery-not-found')) return;
        if (!isError(error, 'storage-full') && !isError(error, 'storage-failed')) throw error;
        await delay(backoffMs(attempt, 250, MAX_RETRY_MS), this.#stopping.signal);
      }
    }
  }
}

/** Whether an event gave a delivery a time. */
function mayMakeDue(event: JournalEvent): boolean {
  return event.kind.startsWith('delivery.') && typeof event.data['nextAt'] === 'number';
}
