import type { JournalEvent, Store } from '../store/store.ts';
import { EventBacklog, type BacklogPage } from './event-backlog.ts';
import { formatFrame } from './frame.ts';
import type { OpenStream } from './open-stream.ts';
import type { Pacer } from './pacer.ts';
import { presentEvent } from './present.ts';

/** Returns an event as its frame of GET /v1/events. */
export function formatEvent(event: JournalEvent): string {
  return formatFrame({ id: String(event.seq), event: 'event', data: presentEvent(event) });
}

/**
 * Hands what the store commits to every open stream: one listener, however many streams. Keeps nothing while nobody
 * listens.
 */
export class EventFeed {
  readonly #store: Store;
  readonly #pacer: Pacer;
  readonly #backlogEvents: number | undefined;
  readonly #readers = new Set<OpenStream>();
  readonly #jobs = new Map<string, Set<() => void>>();
  #backlog: EventBacklog | null = null;
  #stop: (() => void) | null = null;

  /** `backlogEvents` are kept at most; default: those of event-backlog.ts. */
  constructor(options: { store: Store; pacer: Pacer; backlogEvents?: number }) {
    this.#store = options.store;
    this.#pacer = options.pacer;
    this.#backlogEvents = options.backlogEvents;
  }

  /** Wakes `stream` after every commit; returns the way to stop. Listen before the first look at the store. */
  followAll(stream: OpenStream): () => void {
    this.#readers.add(stream);
    if (this.#backlog === null) this.#open((this.#backlog = new EventBacklog(this.#backlogEvents)));
    return () => {
      this.#readers.delete(stream);
      if (this.#readers.size === 0) this.#backlog = null;
      this.#closeUnused();
    };
  }

  /** Calls back at once after every commit that concerns a job; returns the way to stop. */
  followJob(jobId: string, onEvent: () => void): () => void {
    const listeners = this.#jobs.get(jobId) ?? new Set();
    this.#jobs.set(jobId, listeners.add(onEvent));
    this.#listen();
    return () => {
      listeners.delete(onEvent);
      if (listeners.size === 0) this.#jobs.delete(jobId);
      this.#closeUnused();
    };
  }

  /** Returns what follows `after`, null when nothing does yet, `behind` when the store has to be read. */
  read(after: number): BacklogPage | null | 'behind' {
    return this.#backlog?.read(after) ?? (this.#backlog === null ? 'behind' : null);
  }

  /** Every event after it can be read here; null while nobody can tell. */
  get floor(): number | null {
    return this.#backlog?.floor ?? null;
  }

  /** Listens first, then asks where the journal is: what is committed after that answer was made comes by itself. */
  #open(backlog: EventBacklog): void {
    this.#listen();
    this.#store
      .getLastSeq()
      .then((seq) => backlog.open(seq))
      // The streams read the store then, and meet the same failure.
      .catch(() => undefined)
      .finally(() => this.#wakeAll());
  }

  #listen(): void {
    this.#stop ??= this.#store.onCommit((events) => this.#hear(events));
  }

  #closeUnused(): void {
    if (this.#readers.size > 0 || this.#jobs.size > 0) return;
    this.#stop?.();
    this.#stop = null;
  }

  #hear(events: JournalEvent[]): void {
    this.#backlog?.add(events.map((event) => ({ seq: event.seq, frame: formatEvent(event) })));
    this.#wakeAll();
    const jobs = new Set(events.flatMap(({ jobId }) => jobId ?? []));
    for (const jobId of jobs) for (const listener of this.#jobs.get(jobId) ?? []) listener();
  }

  #wakeAll(): void {
    for (const reader of this.#readers) this.#pacer.add(reader);
  }
}
