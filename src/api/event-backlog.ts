/** A run of events in the form they are sent, and the sequence of the last of them. */
export interface BacklogPage {
  bytes: Buffer;
  seq: number;
}

interface Entry {
  seq: number;
  frame: string;
}

/** Events kept, and characters of them, for all streams together: what one may lag without reading the store. */
const MAX_EVENTS = 8192;
const MAX_CHARS = 8 * 2 ** 20;
/** Characters of one page. */
const PAGE_CHARS = 32 * 1024;
/** Pages kept: nearly all live streams are at the same few positions. */
const MAX_PAGES = 8;

/**
 * The newest events, made into frames once for all streams. It holds every event after `floor`: whoever is there or
 * later is served from here, whoever is earlier reads the store. Bounded; what does not fit raises the floor.
 */
export class EventBacklog {
  readonly #entries: Entry[] = [];
  readonly #pages = new Map<number, BacklogPage>();
  readonly #maxEvents: number;
  #chars = 0;
  #dropped = 0;
  #floor: number | null = null;

  constructor(maxEvents = MAX_EVENTS) {
    this.#maxEvents = maxEvents;
  }

  /** Every event after it is here; null while nobody can tell. */
  get floor(): number | null {
    return this.#floor;
  }

  /** Adds what was committed, in order. */
  add(entries: readonly Entry[]): void {
    for (const entry of entries) {
      this.#entries.push(entry);
      this.#chars += entry.frame.length;
    }
    this.#pages.clear();
    while (this.#entries.length > this.#maxEvents || this.#chars > MAX_CHARS) this.#drop();
  }

  /** Tells that every event after `seq` was or will be added; earlier ones may be missing. */
  open(seq: number): void {
    while ((this.#entries[0]?.seq ?? Infinity) <= seq) this.#drop();
    this.#floor = Math.max(seq, this.#dropped);
  }

  /** Returns what follows `after`, null when nothing does yet, `behind` when it is not (all) here. */
  read(after: number): BacklogPage | null | 'behind' {
    if (this.#floor === null || after < this.#floor) return 'behind';
    const last = this.#entries.at(-1);
    if (last === undefined || last.seq <= after) return null;
    const known = this.#pages.get(after);
    if (known !== undefined) return known;
    const page = this.#makePage(after);
    if (this.#pages.size >= MAX_PAGES) this.#pages.clear();
    this.#pages.set(after, page);
    return page;
  }

  #makePage(after: number): BacklogPage {
    let text = '';
    let seq = after;
    for (let index = this.#indexAfter(after); text.length < PAGE_CHARS; index++) {
      const entry = this.#entries[index];
      if (entry === undefined) break;
      text += entry.frame;
      seq = entry.seq;
    }
    return { bytes: Buffer.from(text), seq };
  }

  #indexAfter(after: number): number {
    let low = 0;
    for (let high = this.#entries.length; low < high;) {
      const middle = (low + high) >> 1;
      if ((this.#entries[middle]?.seq ?? Infinity) <= after) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #drop(): void {
    const entry = this.#entries.shift();
    if (entry === undefined) return;
    this.#chars -= entry.frame.length;
    this.#dropped = entry.seq;
    if (this.#floor !== null) this.#floor = Math.max(this.#floor, entry.seq);
  }
}
