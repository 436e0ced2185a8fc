import type { PartResult } from './outcome.ts';

/** What a full run of the lab promises: docs/crash-matrix.md says the same, and a run that did less has failed. */
export interface Promised {
  /** Part as the document names it. */
  part: string;
  least: number;
  /** What is counted. */
  of: string;
  /** How many a run did. */
  count: (results: readonly PartResult[]) => number;
}

function tried(...names: string[]): Promised['count'] {
  return (results) => results.filter(({ name }) => names.includes(name)).reduce((sum, one) => sum + one.tried, 0);
}

function counted(what: string): Promised['count'] {
  return (results) => results.reduce((sum, { counts }) => sum + (counts[what] ?? 0), 0);
}

/** Name of the count of points that are followed by a second death. */
export const DIED_TWICE = 'died again in the recovery';
export const STARTED = 'servers started on one';
export const DISTINCT = 'distinct states';

/** Names of the parts. */
export const PART = {
  store: 'kill sweep of the store',
  servers: 'kill sweep of servers and keepers',
  cuts: 'power cuts',
  io: 'I/O errors',
  walks: 'random crashes',
  flips: 'bit flips',
  homeFlips: 'bit flips under servers',
} as const;

export const LEAST: readonly Promised[] = [
  { part: 'kill sweep', least: 2000, of: 'kill points', count: tried(PART.store, PART.servers) },
  { part: 'kill sweep', least: 300, of: 'of whole servers and keepers', count: tried(PART.servers) },
  { part: 'kill sweep', least: 30, of: 'twice', count: counted(DIED_TWICE) },
  { part: 'power cuts', least: 3000, of: 'distinct states', count: counted(DISTINCT) },
  { part: 'power cuts', least: 30, of: 'servers started', count: counted(STARTED) },
  { part: 'I/O errors', least: 150, of: 'failures', count: tried(PART.io) },
  { part: 'random walks', least: 1000, of: 'crashes', count: tried(PART.walks) },
  { part: 'bit flips', least: 500, of: 'flips', count: tried(PART.flips) },
  { part: 'bit flips under servers', least: 90, of: 'flips', count: tried(PART.homeFlips) },
];

/** Returns what a full run was to try and did not, in words. */
export function listMissing(results: readonly PartResult[]): string[] {
  return LEAST.flatMap(({ part, least, of, count }) => {
    const found = count(results);
    return found < least ? [`${part}: only ${found} ${of}, at least ${least} are promised`] : [];
  });
}

/** Returns the last column of the table of a part in the document. */
export function renderLeast(part: string): string {
  return LEAST.filter((one) => one.part === part)
    .map(({ least, of }) => `${least.toLocaleString('en-US')} ${of}`)
    .join(', ');
}
