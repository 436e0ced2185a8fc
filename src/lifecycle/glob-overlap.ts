/**
 * Whether two patterns of paths may mean the same file. The answer errs on one side only: two patterns that have a path
 * in common always overlap; of two that have none it may say so too, and then work waits that need not have waited.
 */

/** Segments of a pattern that are told apart; what lies deeper counts as everything below. */
const MAX_SEGMENTS = 32;

/** One segment: what it begins and ends with; `literal` says that it is nothing else. Null stands for any number of segments. */
type Segment = { begin: string; end: string; literal: boolean } | null;

/** A pattern in segments; what is below the last one belongs to it. */
export type Pattern = readonly Segment[];

/** Characters that make a segment stand for several names. */
const WILD = /[*?[\]{}]/;

/**
 * Returns a pattern taken apart. A path names a file or everything below a directory; letters count the same in both
 * cases, because file systems differ. What would need more than `*`, `?`, `[…]` and `{…}` in a segment means everything.
 */
export function parsePattern(text: string): Pattern {
  const plain = text.normalize('NFC').toLowerCase();
  // A negation, or a group that may hold a slash: no tool agrees with the next one.
  if (/^!|[()\\]|\{[^}]*\/|\/[^{]*\}/.test(plain)) return [];
  const words = plain.split('/').filter((word) => word !== '' && word !== '.');
  // Some tools take a pattern without a slash for one of any directory.
  const isAnywhere = words.length === 1 && !plain.includes('/') && WILD.test(plain);
  const segments = (isAnywhere ? ['**', ...words] : words).slice(0, MAX_SEGMENTS);
  const unclear = segments.findIndex((word) => word !== '**' && word.includes('**'));
  return (unclear === -1 ? segments : segments.slice(0, unclear)).map(parseSegment);
}

function parseSegment(word: string): Segment {
  if (word === '**') return null;
  const first = word.search(WILD);
  if (first === -1) return { begin: word, end: word, literal: true };
  const end = /[^*?[\]{}]*$/.exec(word)?.[0] ?? '';
  return { begin: word.slice(0, first), end, literal: false };
}

/** Whether a path may match both patterns, itself or by a directory above it. Symmetric. */
export function mayOverlap(one: Pattern, other: Pattern): boolean {
  // ends[j]: whether what is left of `one` from the current segment on overlaps what is left of `other` from j on.
  let ends = other.map(() => true).concat(true);
  for (let i = one.length - 1; i >= 0; i--) {
    const next = ends;
    ends = [];
    ends[other.length] = true;
    for (let j = other.length - 1; j >= 0; j--) {
      const [a = null, b = null] = [one[i], other[j]];
      const skips = next[j] === true || ends[j + 1] === true;
      ends[j] = a === null || b === null ? skips : meet(a, b) && next[j + 1] === true;
    }
  }
  return ends[0] === true;
}

/** Whether one name may match two segments. */
function meet(a: NonNullable<Segment>, b: NonNullable<Segment>): boolean {
  if (a.literal && b.literal) return a.begin === b.begin;
  if (a.literal || b.literal) {
    const [name, pattern] = a.literal ? [a.begin, b] : [b.begin, a];
    return name.startsWith(pattern.begin) && name.endsWith(pattern.end);
  }
  const begins = a.begin.startsWith(b.begin) || b.begin.startsWith(a.begin);
  return begins && (a.end.endsWith(b.end) || b.end.endsWith(a.end));
}
