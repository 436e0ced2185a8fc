import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseByteRange } from './byte-range.ts';

test('single ranges of 10 bytes', () => {
  const table: [header: string | undefined, expected: ReturnType<typeof parseByteRange>][] = [
    [undefined, 'whole'],
    ['', 'whole'],
    ['bytes=0-0', { start: 0, end: 0 }],
    ['bytes=0-9', { start: 0, end: 9 }],
    ['bytes=3-5', { start: 3, end: 5 }],
    [' bytes=3-5 ', { start: 3, end: 5 }],
    ['bytes=3-', { start: 3, end: 9 }],
    ['bytes=3-99', { start: 3, end: 9 }],
    ['bytes=9-', { start: 9, end: 9 }],
    ['bytes=-1', { start: 9, end: 9 }],
    ['bytes=-10', { start: 0, end: 9 }],
    ['bytes=-99', { start: 0, end: 9 }],
    ['bytes=-0', 'unsatisfiable'],
    ['bytes=10-', 'unsatisfiable'],
    ['bytes=10-12', 'unsatisfiable'],
    ['bytes=999999999999999-', 'unsatisfiable'],
    ['bytes=5-3', 'whole'],
    ['bytes=-', 'whole'],
    ['bytes=a-b', 'whole'],
    ['bytes=1-2,4-5', 'whole'],
    ['lines=1-2', 'whole'],
    ['bytes=1-2-3', 'whole'],
  ];
  for (const [header, expected] of table) assert.deepEqual(parseByteRange(header, 10), expected, String(header));
});

test('nothing of no bytes can be asked for by range', () => {
  for (const header of ['bytes=0-', 'bytes=0-0', 'bytes=-5']) {
    assert.equal(parseByteRange(header, 0), 'unsatisfiable', header);
  }
  assert.equal(parseByteRange(undefined, 0), 'whole');
});

test('whatever is asked for, an answer lies within the file', () => {
  const number = fc.option(fc.nat({ max: 50 }), { nil: '' as const });
  fc.assert(
    fc.property(number, number, fc.nat({ max: 40 }), (first, last, size) => {
      const range = parseByteRange(`bytes=${first}-${last}`, size);
      if (typeof range === 'string') return;
      assert.ok(range.start >= 0 && range.start <= range.end && range.end < size);
      if (first !== '') assert.equal(range.start, first);
    }),
  );
});
