/**
 * Durations counted in buckets of a logarithmic scale: sixteen to each doubling, so that the middle of a bucket is at most
 * a thirty-second part (3.2 %) away from what was counted in it, and below 32 ms exact. Memory is bounded whatever is
 * counted: up to the longest span there are `MAX_BUCKET` + 1 buckets, and only those in use take room.
 */

/** Longest span that is counted: 366 days, the bound of every duration a user may name. */
export const MAX_SPAN_MS = 366 * 86_400_000;

/** Buckets of one doubling. */
const STEPS = 16;

/** Counts by bucket. */
export type Histogram = Map<number, number>;

/** Returns the bucket of a span of whole milliseconds, 0 to `MAX_SPAN_MS`. */
function bucketOf(ms: number): number {
  if (ms < STEPS) return ms;
  // Exact for every whole number up to the longest span: log2 of the next power of two is, and below it never rounds up.
  const exponent = Math.floor(Math.log2(ms));
  const shift = exponent - Math.log2(STEPS);
  return shift * STEPS + Math.floor(ms / 2 ** shift);
}

/** The last bucket there is. */
export const MAX_BUCKET = bucketOf(MAX_SPAN_MS);

/** Returns the middle of a bucket, in milliseconds. */
function middleOf(bucket: number): number {
  if (bucket < 2 * STEPS) return bucket;
  const shift = Math.floor(bucket / STEPS) - 1;
  const width = 2 ** shift;
  return (bucket - shift * STEPS) * width + (width - 1) / 2;
}

/** Counts a span; one outside 0 to `MAX_SPAN_MS` is the caller's to leave out. */
export function addSpan(histogram: Histogram, ms: number): void {
  const bucket = bucketOf(Math.round(ms));
  histogram.set(bucket, (histogram.get(bucket) ?? 0) + 1);
}

/** Adds all that `from` counted to `into`. */
export function mergeHistogram(into: Histogram, from: Histogram): void {
  for (const [bucket, count] of from) into.set(bucket, (into.get(bucket) ?? 0) + count);
}

/** Returns how many spans were counted. */
export function countSpans(histogram: Histogram): number {
  let sum = 0;
  for (const count of histogram.values()) sum += count;
  return sum;
}

/** Returns the buckets in use in their order, as they are written down. */
export function listBuckets(histogram: Histogram): [bucket: number, count: number][] {
  return [...histogram].toSorted(([a], [b]) => a - b);
}

/** What a histogram says: milliseconds within 3.2 %, and of how many spans. */
export interface Durations {
  p50Ms: number;
  p90Ms: number;
  samples: number;
}

/** Returns median and 90th percentile by the nearest rank; null when nothing was counted. */
export function summarise(histogram: Histogram): Durations | null {
  const samples = countSpans(histogram);
  if (samples === 0) return null;
  const buckets = listBuckets(histogram);
  return { p50Ms: quantile(buckets, samples, 0.5), p90Ms: quantile(buckets, samples, 0.9), samples };
}

function quantile(buckets: readonly [number, number][], samples: number, share: number): number {
  let left = Math.max(1, Math.ceil(samples * share));
  for (const [bucket, count] of buckets) {
    left -= count;
    if (left <= 0) return Math.round(middleOf(bucket));
  }
  return 0;
}
