import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { describeDisk, judgeDisk, type DiskLimits } from './disk-level.ts';

const GIB = 2 ** 30;
const DEFAULTS: DiskLimits = { free: null, stop: null };

test('the default threshold is 2 GiB, and 5 % of a disk on which that would be more', () => {
  const at = (freeBytes: number, totalBytes: number): string =>
    judgeDisk('ok', { freeBytes, totalBytes }, DEFAULTS).level;
  assert.equal(at(2 * GIB, 1000 * GIB), 'ok');
  assert.equal(at(2 * GIB - 1, 1000 * GIB), 'low');
  assert.equal(at(GIB / 2, 10 * GIB), 'ok');
  assert.equal(at(GIB / 2 - 1, 10 * GIB), 'low');
  assert.equal(at(0, 10 * GIB), 'low', 'nothing is stopped unless that was asked for');
});

test('what waits goes on a tenth above the threshold, so that it does not flutter', () => {
  const limits: DiskLimits = { free: { bytes: 1000 }, stop: { bytes: 100 } };
  const level = (before: 'ok' | 'low' | 'critical', freeBytes: number): string =>
    judgeDisk(before, { freeBytes, totalBytes: 1e6 }, limits).level;
  assert.deepEqual(
    [level('ok', 1000), level('ok', 999), level('low', 1000), level('low', 1100)],
    ['ok', 'low', 'low', 'ok'],
  );
  assert.deepEqual(
    [level('low', 100), level('low', 99), level('critical', 105), level('critical', 110)],
    ['low', 'critical', 'critical', 'low'],
  );
});

test('more space never makes it worse, and nothing is stopped where new work may begin', () => {
  const order = ['critical', 'low', 'ok'];
  const limit = fc.oneof(
    fc.record({ bytes: fc.nat(1e6) }),
    fc.record({ share: fc.double({ min: 0, max: 1, noNaN: true }) }),
    fc.constant(null),
  );
  fc.assert(
    fc.property(
      fc.record({ free: limit, stop: limit }),
      fc.constantFrom('ok' as const, 'low' as const, 'critical' as const),
      fc.tuple(fc.nat(1e6), fc.nat(1e6)),
      (limits, before, [a, b]) => {
        const at = (freeBytes: number): number =>
          order.indexOf(judgeDisk(before, { freeBytes, totalBytes: 1e6 }, limits).level);
        assert.ok(at(Math.min(a, b)) <= at(Math.max(a, b)));
        const state = judgeDisk(before, { freeBytes: a, totalBytes: 1e6 }, limits);
        assert.equal(state.level === 'ok', describeDisk(state) === null);
        if (limits.stop === null) assert.notEqual(state.level, 'critical');
      },
    ),
  );
});
