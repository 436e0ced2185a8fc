import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { estimateStarts, ifEnough, MIN_SAMPLES, remainingOf, type QueueFacts, type WaitingJob } from './estimate.ts';

const USUAL = { p50Ms: 1000, p90Ms: 3000, samples: 37 };

function waiting(id: string, durationMs: number | null = 1000, extra: Partial<WaitingJob> = {}): WaitingJob {
  return { id, repositories: ['a'], durationMs, held: false, ...extra };
}

function starts(facts: Partial<QueueFacts>): Record<string, number | null> {
  const all = {
    hostLimit: 1,
    concurrency: new Map([
      ['a', 9],
      ['b', 9],
    ]),
    active: [],
    waiting: [],
    ...facts,
  };
  return Object.fromEntries(estimateStarts(all));
}

describe('what remains of a running job', () => {
  it('goes by the median, then by the 90th percentile, then is not told', () => {
    assert.equal(remainingOf(USUAL, 0), 1000);
    assert.equal(remainingOf(USUAL, 400), 600);
    assert.equal(remainingOf(USUAL, 1000), 2000);
    assert.equal(remainingOf(USUAL, 2999), 1);
    assert.equal(remainingOf(USUAL, 3000), null);
  });

  it('is not told from fewer than five samples, and a clock that was set back adds nothing', () => {
    assert.equal(remainingOf({ ...USUAL, samples: MIN_SAMPLES - 1 }, 0), null);
    assert.equal(remainingOf({ ...USUAL, samples: MIN_SAMPLES }, 0), 1000);
    assert.equal(remainingOf(null, 0), null);
    assert.equal(ifEnough({ ...USUAL, samples: MIN_SAMPLES - 1 }), null);
    assert.equal(remainingOf(USUAL, -5000), 1000);
  });
});

describe('the start of a waiting job', () => {
  it('is now while there is room', () => {
    assert.deepEqual(starts({ hostLimit: 2, waiting: [waiting('x'), waiting('y')] }), { x: 0, y: 0 });
  });

  it('is after what runs and after those before it', () => {
    const active = [{ repositories: ['b'], remainingMs: 500 }];
    assert.deepEqual(starts({ active, waiting: [waiting('x', 300), waiting('y', 300), waiting('z')] }), {
      x: 500,
      y: 800,
      z: 1100,
    });
  });

  it('waits for its own repository, and lets others pass', () => {
    const facts = {
      hostLimit: 3,
      concurrency: new Map([
        ['a', 1],
        ['b', 1],
      ]),
      active: [{ repositories: ['a'], remainingMs: 700 }],
    };
    const other = waiting('y', 200, { repositories: ['b'] });
    const both = waiting('z', 200, { repositories: ['a', 'b'] });
    assert.deepEqual(starts({ ...facts, waiting: [waiting('x', 100), other, both] }), { x: 700, y: 0, z: 800 });
  });

  it('is not told behind a job nobody knows the length of', () => {
    const unknown = waiting('x', null);
    assert.deepEqual(starts({ waiting: [unknown, waiting('y')] }), { x: 0, y: null });
    assert.deepEqual(starts({ hostLimit: 2, waiting: [unknown, waiting('y', 50), waiting('z')] }), {
      x: 0,
      y: 0,
      z: 50,
    });
    const active = [{ repositories: ['b'], remainingMs: null }];
    assert.deepEqual(starts({ active, waiting: [waiting('x')] }), { x: null });
  });

  it('is not told of a job that is held up, which stands in nobody’s way', () => {
    const held = waiting('x', 1000, { held: true });
    assert.deepEqual(starts({ waiting: [held, waiting('y')] }), { x: null, y: 0 });
    assert.deepEqual(starts({ waiting: [waiting('x', 1, { repositories: ['gone'] }), waiting('y')] }), {
      x: null,
      y: 0,
    });
  });

  const repository = fc.constantFrom('a', 'b', 'c');
  const span = fc.option(fc.integer({ min: 0, max: 10_000 }), { nil: null, freq: 8 });
  const repositories = fc.uniqueArray(repository, { minLength: 1, maxLength: 3 });
  const queue = fc.record({
    hostLimit: fc.integer({ min: 1, max: 4 }),
    places: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
    active: fc.array(fc.record({ repositories, remainingMs: span }), { maxLength: 3 }),
    jobs: fc.array(fc.record({ repositories, durationMs: span, held: fc.boolean() }), { maxLength: 12 }),
  });

  function factsOf({
    hostLimit,
    places,
    active,
    jobs,
  }: typeof queue extends fc.Arbitrary<infer T> ? T : never): QueueFacts {
    const concurrency = new Map(places.map((count, index) => ['abc'[index] ?? '', count]));
    return { hostLimit, concurrency, active, waiting: jobs.map((job, index) => ({ ...job, id: String(index) })) };
  }

  it('never has more at work than there is room for', () => {
    fc.assert(
      fc.property(queue, (drawn) => {
        const facts = { ...factsOf(drawn), active: [] };
        const told = estimateStarts(facts);
        const spans = facts.waiting.flatMap(({ id, repositories: names, durationMs }) => {
          const from = told.get(id) ?? null;
          return from === null ? [] : [{ from, to: durationMs === null ? Infinity : from + durationMs, names }];
        });
        for (const { from: at } of spans) {
          const atWork = spans.filter(({ from, to }) => from <= at && at < to);
          assert.ok(atWork.length <= facts.hostLimit, `${atWork.length} at ${at}`);
          for (const [name, places] of facts.concurrency) {
            assert.ok(atWork.filter(({ names }) => names.includes(name)).length <= places, `${name} at ${at}`);
          }
        }
      }),
    );
  });

  it('is told of everybody who is not held up, when everything is known', () => {
    fc.assert(
      fc.property(queue, (drawn) => {
        const facts = factsOf(drawn);
        const known: QueueFacts = {
          ...facts,
          active: facts.active.map((job) => ({ ...job, remainingMs: job.remainingMs ?? 5 })),
          waiting: facts.waiting.map((job) => ({ ...job, durationMs: job.durationMs ?? 5 })),
        };
        const told = estimateStarts(known);
        for (const { id, held } of known.waiting) assert.equal(told.get(id) === null, held, id);
      }),
    );
  });

  it('keeps the order of jobs of one repository', () => {
    fc.assert(
      fc.property(queue, (drawn) => {
        const facts = factsOf(drawn);
        const one = { ...facts, waiting: facts.waiting.map((job) => ({ ...job, repositories: ['a'], held: false })) };
        const told = [...estimateStarts(one).values()];
        const times = told.map((start) => start ?? Infinity);
        assert.deepEqual(
          times,
          times.toSorted((x, y) => x - y),
        );
      }),
    );
  });
});
