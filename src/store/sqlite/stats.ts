import { statSync } from 'node:fs';
import { errnoOf } from '../../kernel/result.ts';
import type { Store } from '../store.ts';
import type { ReadContext } from './operations.ts';

const KEPT = 1024;

/** How long the newest commits took, from COMMIT to the flushed witness, in milliseconds. */
export class Timings {
  readonly #spans: number[] = [];
  commits = 0;

  add(ms: number): void {
    this.#spans[this.commits++ % KEPT] = ms;
  }

  /** The q-th quantile of the newest commits; 0 before the first. */
  quantile(q: number): number {
    const sorted = this.#spans.toSorted((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? 0;
  }
}

/** Returns sizes and timings. */
export function readStats(store: ReadContext): Awaited<ReturnType<Store['stats']>> {
  return {
    lastSeq: store.counters.last('seq'),
    databaseBytes: sizeOf(store.path) + sizeOf(`${store.path}-wal`),
    commits: store.timings.commits,
    commitMsP50: store.timings.quantile(0.5),
    commitMsP99: store.timings.quantile(0.99),
  };
}

function sizeOf(path: string): number {
  try {
    return statSync(path).size;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return 0;
    throw error;
  }
}
