import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { chooseClaims, MAX_OVERTAKEN, type Candidate } from './choose-claims.ts';

const one = (id: string, ...repositories: string[]): Candidate => ({ id, repositories, overtaken: 0 });
const rooms = (places: Record<string, number>): Map<string, number> => new Map(Object.entries(places));

describe('who begins', () => {
  it('takes a place in every repository or in none', () => {
    const candidates = [one('both', 'a', 'b'), one('a1', 'a'), one('b1', 'b')];
    assert.deepEqual(chooseClaims({ candidates, room: rooms({ a: 1, b: 1 }), max: 9 }).claimed, ['both']);
    const choice = chooseClaims({ candidates, room: rooms({ a: 1, b: 0 }), max: 9 });
    assert.deepEqual(choice, { claimed: ['a1'], overtaken: [{ id: 'both', overtaken: 1 }] });
  });

  it('keeps a place in each repository for one that was overtaken often enough', () => {
    const waiting = { ...one('both', 'a', 'b'), overtaken: MAX_OVERTAKEN };
    const candidates = [waiting, one('a1', 'a'), one('a2', 'a'), one('c1', 'c')];
    assert.deepEqual(chooseClaims({ candidates, room: rooms({ a: 2, b: 0, c: 1 }), max: 9 }).claimed, ['a1', 'c1']);
    assert.deepEqual(chooseClaims({ candidates, room: rooms({ a: 1, b: 0, c: 1 }), max: 9 }).claimed, ['c1']);
    assert.deepEqual(chooseClaims({ candidates, room: rooms({ a: 1, b: 1, c: 1 }), max: 9 }).claimed, ['both', 'c1']);
  });

  it('keeps nothing for one whose repository cannot be used', () => {
    const waiting = { ...one('both', 'a', 'gone'), overtaken: MAX_OVERTAKEN };
    const choice = chooseClaims({ candidates: [waiting, one('a1', 'a')], room: rooms({ a: 1 }), max: 9 });
    assert.deepEqual(choice, { claimed: ['a1'], overtaken: [] });
  });
});

const NAMES = ['a', 'b', 'c'];
const work = fc.record({
  repositories: fc.subarray(NAMES, { minLength: 1 }),
  steps: fc.integer({ min: 1, max: 4 }),
});

interface Waiting extends Candidate {
  steps: number;
  /** How many had begun when it had been overtaken often enough; null until then. */
  keptSince: number | null;
}

interface Running {
  repositories: readonly string[];
  left: number;
  /** When it began, counted in beginnings. */
  begun: number;
  /** Those it passed on its way. */
  passed: readonly string[];
}

/** A queue over time: each step ends some work, brings new work, and claims. */
class Simulation {
  readonly queue: Waiting[] = [];
  readonly begun: string[] = [];
  running: Running[] = [];
  readonly #concurrency: number;

  constructor(concurrency: number) {
    this.#concurrency = concurrency;
  }

  arrive(job: Pick<Waiting, 'id' | 'repositories' | 'steps'>): void {
    this.queue.push({ ...job, overtaken: 0, keptSince: null });
  }

  step(): void {
    this.running = this.running.map((job) => ({ ...job, left: job.left - 1 })).filter((job) => job.left > 0);
    const active = (name: string): number => this.running.filter((job) => job.repositories.includes(name)).length;
    const room = new Map(NAMES.map((name) => [name, this.#concurrency - active(name)]));
    const choice = chooseClaims({ candidates: this.queue, room, max: 100 });
    for (const { id, overtaken } of choice.overtaken) {
      const job = this.queue.find((waiting) => waiting.id === id);
      if (job !== undefined) job.overtaken = overtaken;
    }
    for (const id of choice.claimed) this.#begin(id);
    for (const name of NAMES) assert.ok(active(name) <= this.#concurrency, `${name} is overfull`);
    for (const waiting of this.queue) this.#checkKept(waiting);
  }

  /** Of those that passed a job which was overtaken often enough, so many run at most that a place is left for it. */
  #checkKept(waiting: Waiting): void {
    assert.ok(waiting.overtaken <= MAX_OVERTAKEN, `${waiting.id} was overtaken ${waiting.overtaken} times`);
    if (waiting.overtaken < MAX_OVERTAKEN) return;
    waiting.keptSince ??= this.begun.length;
    const since = waiting.keptSince;
    for (const name of waiting.repositories) {
      const later = this.running.filter(
        (job) => job.begun >= since && job.passed.includes(waiting.id) && job.repositories.includes(name),
      );
      assert.ok(later.length < this.#concurrency, `no place of ${name} is kept for ${waiting.id}`);
    }
  }

  #begin(id: string): void {
    const at = this.queue.findIndex((waiting) => waiting.id === id);
    const [job] = this.queue.splice(at, 1);
    assert.ok(job !== undefined);
    for (const waiting of this.queue.slice(0, at)) {
      if (!waiting.repositories.some((name) => job.repositories.includes(name))) continue;
      assert.ok(waiting.repositories.length > 1, `${id} passed ${waiting.id}, which waits in the same line`);
    }
    const passed = this.queue.slice(0, at).map((waiting) => waiting.id);
    this.running.push({ repositories: job.repositories, left: job.steps, begun: this.begun.length, passed });
    this.begun.push(id);
  }
}

describe('waiting over time', () => {
  it('a place is kept for whoever was passed often enough, none is given twice, and everybody begins', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(work, { maxLength: 4 }), { maxLength: 30 }),
        fc.integer({ min: 1, max: 3 }),
        (arrivals, concurrency) => {
          const simulation = new Simulation(concurrency);
          let count = 0;
          for (const arriving of arrivals) {
            for (const job of arriving) simulation.arrive({ id: `j${++count}`, ...job });
            simulation.step();
          }
          // Nothing more arrives: all of it ends within the time it would take one after the other.
          for (let left = count * 4 + 1; left > 0 && simulation.queue.length > 0; left--) simulation.step();
          assert.deepEqual(simulation.queue, []);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('one that needs all begins although the others never stop coming', () => {
    const simulation = new Simulation(2);
    for (const [id, name, steps] of [
      ['s0', 'a', 3],
      ['s1', 'b', 3],
      ['s2', 'a', 2],
      ['s3', 'b', 2],
    ] as const)
      simulation.arrive({ ...one(id, name), steps });
    simulation.step();
    simulation.arrive({ ...one('all', 'a', 'b'), steps: 1 });
    for (let n = 0; n < 40; n++) {
      simulation.arrive({ ...one(`a${n}`, 'a'), steps: 3 });
      simulation.arrive({ ...one(`b${n}`, 'b'), steps: 2 });
      simulation.step();
    }
    assert.ok(simulation.begun.indexOf('all') <= 4 + MAX_OVERTAKEN, simulation.begun.join(' '));
    assert.ok(simulation.begun.includes('all'));
  });
});
