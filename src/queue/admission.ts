/**
 * Admission: whether new work may begin, by the free space of the disk that holds the home. Below the threshold queued
 * jobs stay queued and running work is warned; below the second one it is stopped, one job after another. Nothing of
 * this is durable: the disk itself is the record, and a restarted server looks at it again. The disk is looked at before
 * every claim, and by a timer only while something waits for space or is at work.
 */
import type { Clock } from '../kernel/clock.ts';
import type { Log } from '../kernel/log.ts';
import { messageOf } from '../kernel/result.ts';
import type { Service } from '../kernel/service.ts';
import {
  describeDisk,
  judgeDisk,
  type DiskLevel,
  type DiskLimits,
  type DiskSpace,
  type DiskState,
} from './disk-level.ts';

/** How often the disk is looked at while work waits for space or could use it up, milliseconds. */
const LOOK_MS = 5000;
/** A look at most this old is good enough to be shown, milliseconds. */
const SHOWN_MS = 500;

export interface AdmissionOptions {
  /** Looks at the file system of the home. */
  probe: () => Promise<DiskSpace>;
  limits: DiskLimits;
  clock: Clock;
  log: Log;
  /** Whether anything is at work that may use up space. */
  isBusy: () => boolean;
  /** There is space again for what waits. */
  onOpen: () => void;
  /** Space has become low. */
  onLow: (why: string) => Promise<void>;
  /** Space is below the second threshold, told at every look: stop something. */
  onCritical: (why: string) => Promise<void>;
  /** Pause between looks, milliseconds; default 5 s. */
  lookMs?: number;
}

export interface Admission extends Service {
  /** Looks, and returns whether new work may begin; when not, `onOpen` will be called. */
  admit(): Promise<boolean>;
  /** Returns a state at most half a second old; null when the disk could never be looked at. */
  look(): Promise<DiskState | null>;
  /** Returns what the last look found. */
  current(): DiskState | null;
}

/** Returns the admission of one server; it looks from `start` on by itself. */
export function createAdmission(options: AdmissionOptions): Admission {
  return new DiskAdmission(options);
}

class DiskAdmission implements Admission {
  readonly #options: AdmissionOptions;
  #state: DiskState | null = null;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #isWaiting = false;
  #running = false;
  #timer: NodeJS.Timeout | null = null;
  #looking: Promise<void> | null = null;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    await this.#lookNow();
  }

  async stop(): Promise<void> {
    this.#running = false;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    await this.#looking;
  }

  current(): DiskState | null {
    return this.#state;
  }

  async look(): Promise<DiskState | null> {
    if (this.#options.clock.monotonic() - this.#lookedAt > SHOWN_MS) await this.#lookNow();
    return this.#state;
  }

  async admit(): Promise<boolean> {
    // Set before the look: space that comes back between the two is told by that same look.
    this.#isWaiting = true;
    await this.#lookNow({ quiet: true });
    const isOpen = this.#level() === 'ok';
    if (isOpen) this.#isWaiting = false;
    return isOpen;
  }

  /** A disk that could not be looked at holds nothing up: what does not fit is refused where it is written. */
  #level(): DiskLevel {
    return this.#state?.level ?? 'ok';
  }

  async #lookNow(how: { quiet?: boolean } = {}): Promise<void> {
    while (this.#looking !== null) await this.#looking;
    this.#looking = this.#lookOnce(how.quiet === true);
    try {
      await this.#looking;
    } finally {
      this.#looking = null;
    }
  }

  /** `quiet`: the caller asks whether work may begin, and need not be told. */
  async #lookOnce(quiet: boolean): Promise<void> {
    const { log, limits, clock } = this.#options;
    const before = this.#level();
    try {
      this.#state = judgeDisk(before, await this.#options.probe(), limits);
      this.#lookedAt = clock.monotonic();
    } catch (error) {
      log.warn(`the disk of the home cannot be looked at: ${messageOf(error)}`);
    }
    this.#plan();
    const now = this.#level();
    const why = this.#state === null ? null : describeDisk(this.#state);
    if (now === 'ok') {
      if (before !== 'ok') log.info('there is disk space again: new work begins');
      if (this.#isWaiting && !quiet) this.#open();
      return;
    }
    if (before === 'ok') log.warn(why ?? '');
    try {
      if (before === 'ok') await this.#options.onLow(why ?? '');
      if (now === 'critical') await this.#options.onCritical(why ?? '');
    } catch (error) {
      log.warn(`low disk: ${messageOf(error)}`);
    }
  }

  #open(): void {
    this.#isWaiting = false;
    this.#options.onOpen();
  }

  /** The next look by itself: only while something waits for it, or works. */
  #plan(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const isNeeded = (this.#isWaiting && this.#level() !== 'ok') || this.#options.isBusy();
    if (!this.#running || !isNeeded) return;
    this.#timer = setTimeout(() => void this.#lookNow(), this.#options.lookMs ?? LOOK_MS);
  }
}
