import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  addSpan,
  countSpans,
  MAX_BUCKET,
  MAX_SPAN_MS,
  mergeHistogram,
  summarise,
  type Histogram,
} from './histogram.ts';

const spans = fc.array(fc.oneof(fc.integer({ min: 0, max: 100 }), fc.integer({ min: 0, max: MAX_SPAN_MS })), {
  minLength: 1,
  maxLength: 200,
});

function histogramOf(values: readonly number[]): Histogram {
  const histogram: Histogram = new Map();
  for (const value of values) addSpan(histogram, value);
  return histogram;
}

/** The nearest rank, from the numbers themselves. */
function exactQuantile(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.max(1, Math.ceil(values.length * share)) - 1] ?? Number.NaN;
}

describe('a histogram', () => {
  it('gives every quantile within 3.2 % of the exact one, and short spans exactly', () => {
    fc.assert(
      fc.property(spans, (values) => {
        const summary = summarise(histogramOf(values));
        assert.equal(summary?.samples, values.length);
        for (const [share, given] of [
          [0.5, summary.p50Ms],
          [0.9, summary.p90Ms],
        ] as const) {
          const exact = exactQuantile(values, share);
          const bound = exact < 32 ? 0 : exact / 32 + 1;
          assert.ok(Math.abs(given - exact) <= bound, `${given} for ${exact}`);
        }
      }),
    );
  });

  it('has buckets that follow one another without a gap, up to the longest span', () => {
    let last = -1;
    for (let ms = 0; ms < 70_000; ms++) {
      const [bucket = -1] = histogramOf([ms]).keys();
      assert.ok(bucket === last || bucket === last + 1, `${ms} ms is in bucket ${bucket}, the one before in ${last}`);
      last = bucket;
    }
    assert.deepEqual([...histogramOf([MAX_SPAN_MS]).keys()], [MAX_BUCKET]);
    assert.ok(MAX_BUCKET < 512, `${MAX_BUCKET} buckets`);
  });

  it('merges to what counting all of it gives', () => {
    fc.assert(
      fc.property(spans, spans, (some, others) => {
        const merged = histogramOf(some);
        mergeHistogram(merged, histogramOf(others));
        assert.deepEqual(summarise(merged), summarise(histogramOf([...some, ...others])));
        assert.equal(countSpans(merged), some.length + others.length);
      }),
    );
  });

  it('says nothing when it counted nothing', () => {
    assert.equal(summarise(new Map()), null);
  });
});
