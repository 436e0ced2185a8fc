import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isAlarming } from './corruption-alert.ts';

const of = (corrupt: number, checked: number): boolean => isAlarming({ corrupt, rate: corrupt / checked });

test('an alarm takes more than 5 % and at least five damaged records', () => {
  assert.deepEqual([of(5, 100), of(6, 100), of(501, 10_000), of(500, 10_000)], [false, true, true, false]);
  assert.deepEqual([of(2, 10), of(4, 4), of(5, 5), of(0, 1)], [false, false, true, false], 'few records');
});
