import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { isId, newId, type IdPrefix } from './ids.ts';

const PREFIXES: readonly IdPrefix[] = ['job', 'att', 'repo', 'boot', 'tok', 'acc', 'host', 'op', 'res', 'rep'];
const times = fc.integer({ min: 0, max: 32 ** 10 - 1 });

describe('newId', () => {
  it('has the form isId knows, for every prefix, time and random bytes', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...PREFIXES),
        times,
        fc.uint8Array({ minLength: 14, maxLength: 14 }),
        (prefix, now, bytes) => {
          const id = newId(prefix, now, () => bytes);
          assert.ok(isId(prefix, id), id);
          assert.equal(id.length, prefix.length + 25);
          for (const other of PREFIXES) assert.equal(isId(other, id), other === prefix);
        },
      ),
    );
  });

  it('sorts by creation', () => {
    fc.assert(
      fc.property(times, times, (a, b) => {
        const [earlier, later] = [newId('job', a), newId('job', b)];
        if (a !== b) assert.equal(earlier < later, a < b);
      }),
    );
  });

  it('is the same for the same time and bytes, and else never', () => {
    const bytes = new Uint8Array(14).fill(31);
    assert.equal(
      newId('job', 1, () => bytes),
      `job_${'0'.repeat(9)}1${'z'.repeat(14)}`,
    );
    const ids = new Set(Array.from({ length: 100_000 }, () => newId('att', 0)));
    assert.equal(ids.size, 100_000);
  });
});

describe('isId', () => {
  it('refuses everything else', () => {
    const good = newId('job', 0);
    for (const bad of [
      '',
      'job_',
      good.slice(1),
      good.slice(0, -1),
      `${good}0`,
      `${good}\n`,
      good.toUpperCase(),
      good.replace(/.$/, 'u'),
    ]) {
      assert.equal(isId('job', bad), false, JSON.stringify(bad));
    }
  });
});
