import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { MAX_SURFACE, chooseSurfaces, describeObstacle, findOverlap, surfaceOf, type SurfaceJob } from './surface.ts';

function job(number: number, ...surface: string[]): SurfaceJob {
  return { id: `job_${number}`, number, state: 'queued', frozen: false, surface };
}

const patterns = fc.constantFrom('a', 'a/b', 'a/*', 'b', 'b/**', 'c/x.ts', '**/*.ts', 'd');
const surfaces = fc.array(patterns, { minLength: 1, maxLength: 3 });

describe('the surface of a job', () => {
  it('names each path once; a long one is told by its first directories, or is everything', () => {
    assert.deepEqual(surfaceOf([' src ', 'src', '', 'docs/**']), ['src', 'docs/**']);
    const many = Array.from({ length: 100 }, (_, n) => `src/${n % 2 === 0 ? 'api' : 'web'}/${n}.ts`);
    assert.deepEqual(surfaceOf([...many, 'README.md']), ['src', 'README.md']);
    assert.deepEqual(surfaceOf([...many, '*/a.ts']), ['src', '**']);
    assert.deepEqual(surfaceOf(Array.from({ length: 100 }, (_, n) => `dir${n}/a`)), ['**']);
  });

  it('covers all of its scope, however much that is', () => {
    const file = fc.array(fc.constantFrom('a', 'b', 'c', 'd', '*', '**'), { minLength: 1, maxLength: 3 });
    const scope = fc.array(
      fc.tuple(fc.nat(50), file).map(([n, words]) => [`${n}`, ...words].join('/')),
      { minLength: 1, maxLength: 120 },
    );
    fc.assert(
      fc.property(scope, (paths) => {
        const surface = surfaceOf(paths);
        assert.ok(surface.length <= MAX_SURFACE);
        for (const path of paths) assert.notEqual(findOverlap([path], surface), null, path);
      }),
    );
  });

  it('that cannot be read may be everything', () => {
    assert.deepEqual(findOverlap(null, ['docs']), { ours: '**', theirs: 'docs' });
  });
});

describe('who may take its surface', () => {
  it('waits for who holds it, and for who waits for it before', () => {
    const holders = [{ ...job(1, 'src/api/**'), state: 'running' as const }];
    const waiting = [job(2, 'src/**'), job(3, 'src/web'), job(4, 'docs'), job(5, 'docs/a.md')];
    const choices = chooseSurfaces({ holders, waiting, max: 9 });
    assert.deepEqual(
      choices.map(({ obstacle }) => (obstacle === null ? null : [obstacle.job.number, obstacle.holds])),
      [[1, true], [2, false], null, [4, false]],
    );
    const said = choices.map(({ obstacle }) => (obstacle === null ? '' : describeObstacle(obstacle)));
    assert.deepEqual(said.slice(0, 2), ['both may touch src/** (of src/api/**)', 'both may touch src/web (of src/**)']);
    const same = chooseSurfaces({ holders: [{ ...job(1, 'a'), frozen: true }], waiting: [job(2, 'a')], max: 1 });
    assert.equal(same[0]?.obstacle && describeObstacle(same[0].obstacle), 'both may touch a; job 1 is frozen');
  });

  it('is never two that overlap; nobody is passed by one it then waits for, and the first always begins in the end', () => {
    fc.assert(
      fc.property(fc.array(surfaces, { maxLength: 12 }), fc.infiniteStream(fc.nat(99)), (all, dice) => {
        let waiting = all.map((surface, n) => job(n, ...surface));
        let holders: SurfaceJob[] = [];
        const begun: number[] = [];
        for (let step = 0; waiting.length > 0; step++) {
          assert.ok(step <= 2 * all.length, 'nobody begins any more');
          const choices = chooseSurfaces({ holders, waiting, max: 1 + ((dice.next().value ?? 0) % 3) });
          const free = new Set(choices.flatMap(({ id, obstacle }) => (obstacle === null ? [id] : [])));
          if (holders.length === 0) assert.ok(free.has(waiting[0]?.id ?? ''), 'the first one begins');
          for (const one of waiting.filter(({ id }) => free.has(id))) {
            for (const other of holders) assert.equal(findOverlap(one.surface, other.surface), null);
            const passed = waiting.filter(({ id, number }) => !free.has(id) && number < one.number);
            for (const other of passed) assert.equal(findOverlap(one.surface, other.surface), null);
            holders = [...holders, one];
            begun.push(one.number);
          }
          waiting = waiting.filter(({ id }) => !free.has(id));
          // Somebody ends.
          holders = holders.filter((_, n) => n !== (dice.next().value ?? 0) % holders.length);
        }
        assert.equal(new Set(begun).size, all.length);
      }),
    );
  });
});
