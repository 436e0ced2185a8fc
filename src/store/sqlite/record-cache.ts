/**
 * Records this connection wrote or read lately, so that the four writes of a short job read its row once. Safe because
 * the worker is the only writer: a rollback drops what it touched, and a commit of anybody else drops everything.
 */
const MAX_RECORDS = 4096;

export class RecordCache<T> {
  readonly #records = new Map<string, T>();
  #touched: string[] = [];

  /** Returns the record as the open transaction sees it, or null when it is not known here. */
  get(key: string): T | null {
    return this.#records.get(key) ?? null;
  }

  /** Keeps a record as it is now; it must never be changed afterwards, only replaced. */
  set(key: string, record: T): void {
    this.#records.set(key, record);
    this.#touched.push(key);
    if (this.#records.size <= MAX_RECORDS) return;
    for (const oldest of this.#records.keys()) {
      this.#records.delete(oldest);
      return;
    }
  }

  /** Forgets a record that is removed; it is read again if the removal is rolled back. */
  delete(key: string): void {
    this.#records.delete(key);
  }

  /** From here on `rollback` forgets. */
  mark(): void {
    if (this.#touched.length > 0) this.#touched = [];
  }

  /** Forgets what was set since the mark. */
  rollback(): void {
    for (const key of this.#touched) this.#records.delete(key);
    this.#touched = [];
  }

  clear(): void {
    this.#records.clear();
    this.#touched = [];
  }
}
