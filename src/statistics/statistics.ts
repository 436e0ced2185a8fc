/**
 * The statistics room counts how jobs ended and how long their stages took. It owns `statistics.json` and nothing else: the
 * journal is the truth, and the file is a copy of what it says up to a sequence, so losing it loses no number that the
 * journal still has. Events come with the commits that wrote them; what was missed (by a crash, by a file that was damaged)
 * is read from the journal in pages, in the background. It may not write to the store, and never holds anybody up.
 */
import { delay } from '../kernel/backoff.ts';
import type { Clock } from '../kernel/clock.ts';
import type { Log } from '../kernel/log.ts';
import { messageOf } from '../kernel/result.ts';
import type { Service } from '../kernel/service.ts';
import type { JournalEvent, Store } from '../store/store.ts';
import { summarise, type Durations } from './histogram.ts';
import { encodeStatistics, readStatistics, setAsideStatistics, writeStatistics } from './statistics-file.ts';
import { Tally, type Group } from './tally.ts';

/** Least time between two writes of the file, milliseconds; what is counted in between is counted again after a crash. */
const WRITE_MS = 30_000;
/** Events of one page; the most the store gives. */
const PAGE = 1000;
/** Pause after a journal that could not be read, milliseconds. */
const RETRY_MS = 10_000;

/** What was counted so far. */
export interface StatisticsReading {
  /** The one counted last is the last; then `other`, when it has counted anything. */
  groups: Group[];
  throughSeq: number;
  /** False while events that were missed are still being read. */
  complete: boolean;
}

export interface Statistics extends Service {
  read(): StatisticsReading;
  /** How long agents work on jobs of this repository and agent; null when none has ended. */
  durationsOf(repository: string, agent: string): Durations | null;
}

export interface StatisticsOptions {
  store: Pick<Store, 'onCommit' | 'listEvents' | 'getLastSeq'>;
  clock: Clock;
  log: Log;
  path: string;
  /** Told once when the file as it was found cannot be believed. */
  onDamage: (damage: string) => void;
  writeMs?: number;
}

/** Returns the statistics of a home. `start` reads the file and returns; `stop` writes what it does not hold yet. */
export function createStatistics(options: StatisticsOptions): Statistics {
  return new Counting(options);
}

class Counting implements Statistics {
  readonly #options: StatisticsOptions;
  readonly #stopping = new AbortController();
  #tally = new Tally();
  #state: 'new' | 'running' | 'stopped' = 'new';
  /** Whether events are taken as they come; else the journal is being read. */
  #following = false;
  /** The newest sequence anybody told of. */
  #lastSeen = 0;
  #writtenSeq = 0;
  #unsubscribe: (() => void) | null = null;
  #timer: NodeJS.Timeout | null = null;
  #reading: Promise<void> = Promise.resolve();
  #writing: Promise<void> = Promise.resolve();

  constructor(options: StatisticsOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    if (this.#state !== 'new') return;
    this.#state = 'running';
    const { store } = this.#options;
    this.#unsubscribe = store.onCommit((events) => this.#see(events));
    this.#lastSeen = Math.max(this.#lastSeen, await store.getLastSeq());
    await this.#load();
    this.#catchUp();
  }

  async stop(): Promise<void> {
    if (this.#state !== 'running') return;
    this.#state = 'stopped';
    this.#unsubscribe?.();
    this.#stopping.abort();
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#reading;
    await this.#writing;
    await this.#write();
  }

  read(): StatisticsReading {
    const { groups, other, throughSeq } = this.#tally.state;
    const hasOther = Object.values(other.ended).some((count) => count > 0);
    return { groups: hasOther ? [...groups, other] : groups, throughSeq, complete: this.#following };
  }

  durationsOf(repository: string, agent: string): Durations | null {
    const group = this.#tally.getGroup(repository, agent);
    return group === null ? null : summarise(group.stages.running);
  }

  /** Takes up what the file says, if it can be believed and fits this journal. */
  async #load(): Promise<void> {
    const { path, log, onDamage } = this.#options;
    try {
      const reading = await readStatistics(path);
      if (reading.kind === 'ok') {
        const why = await this.#findMisfit(reading.state.throughSeq, reading.state.throughHash);
        if (why === null) this.#tally = new Tally(reading.state);
        else log.warn(`${path} ${why}: statistics are counted anew from the journal`);
      } else if (reading.kind === 'damaged') {
        const kept = await setAsideStatistics(path);
        log.error(`${path} is damaged: ${reading.why}; it is kept as ${kept}, statistics are counted anew`);
        onDamage(`${reading.why}; it is kept as ${kept} and counted anew from the journal`);
      } else if (reading.kind === 'foreign') {
        log.info(`${path} is of another version: statistics are counted anew from the journal`);
      }
    } catch (error) {
      log.warn(`${path} cannot be used, statistics are counted anew from the journal: ${messageOf(error)}`);
    }
    this.#writtenSeq = this.#tally.throughSeq;
  }

  /** A backup that was restored may be behind the file, or be another journal altogether. */
  async #findMisfit(seq: number, hash: string): Promise<string | null> {
    if (seq === 0) return null;
    if (seq > this.#lastSeen) return 'is ahead of the journal';
    const [event] = await this.#options.store.listEvents({ after: seq - 1, limit: 1 });
    // An event that is not there went with its removed job; then the sequence alone must do.
    return event?.seq === seq && event.hash !== hash ? 'was counted from another journal' : null;
  }

  #see(events: readonly JournalEvent[]): void {
    this.#lastSeen = Math.max(this.#lastSeen, events.at(-1)?.seq ?? 0);
    if (!this.#following) return;
    for (const event of events) {
      if (event.seq <= this.#tally.throughSeq) continue;
      if (event.seq !== this.#tally.throughSeq + 1 || this.#tally.needsCourse(event)) return this.#catchUp();
      this.#tally.take(event);
    }
    this.#scheduleWrite();
  }

  #catchUp(): void {
    this.#following = false;
    this.#reading = this.#reading.then(() => this.#readJournal());
  }

  /** Reads the journal until nothing is missing; from then on events are taken as they come. */
  async #readJournal(): Promise<void> {
    const { log, clock } = this.#options;
    const { signal } = this.#stopping;
    while (!this.#following && !signal.aborted) {
      const began = clock.monotonic();
      let restMs = RETRY_MS;
      try {
        const count = await this.#readPage();
        // As long as it worked it lets others work.
        restMs = clock.monotonic() - began;
        // A page with nothing on it: what was told of is not there, and asking again would not bring it.
        if (count === 0 || (count < PAGE && this.#tally.throughSeq >= this.#lastSeen)) this.#following = true;
      } catch (error) {
        log.warn(`statistics wait: the journal cannot be read: ${messageOf(error)}`);
      }
      this.#scheduleWrite();
      if (!this.#following) await delay(restMs, signal).catch(() => undefined);
    }
  }

  /** Counts one page; returns how many events were on it. */
  async #readPage(): Promise<number> {
    const { store } = this.#options;
    const events = await store.listEvents({ after: this.#tally.throughSeq, limit: PAGE });
    for (const event of events) {
      if (this.#stopping.signal.aborted) break;
      if (this.#tally.needsCourse(event)) await this.#learn(event);
      this.#tally.take(event);
    }
    return events.length;
  }

  /** Reads the chain of a job up to an event. */
  async #learn({ jobId, seq }: JournalEvent): Promise<void> {
    for (let after = 0; jobId !== null;) {
      const chain = await this.#options.store.listEvents({ jobId, after, limit: PAGE });
      this.#tally.learn(
        jobId,
        chain.filter((event) => event.seq < seq),
      );
      after = chain.at(-1)?.seq ?? seq;
      if (chain.length < PAGE || after >= seq) return;
    }
  }

  #scheduleWrite(): void {
    if (this.#timer !== null || this.#state !== 'running' || this.#tally.throughSeq === this.#writtenSeq) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#writing = this.#writing.then(() => this.#write());
    }, this.#options.writeMs ?? WRITE_MS).unref();
  }

  /** Writes what the file does not hold yet. A disk that refuses it costs nothing but the work of counting again. */
  async #write(): Promise<void> {
    const { state } = this.#tally;
    if (state.throughSeq === this.#writtenSeq) return;
    try {
      const { path } = this.#options;
      await writeStatistics(path, encodeStatistics(state));
      this.#writtenSeq = state.throughSeq;
    } catch (error) {
      this.#options.log.warn(`statistics could not be written: ${messageOf(error)}`);
    }
    this.#scheduleWrite();
  }
}
