import assert from 'node:assert/strict';
import { test } from 'node:test';
import { classifyHeartbeat } from './sentinel.ts';

test('a heartbeat ages from fresh over stale to dead, and one from the future is stale', () => {
  const now = 10_000_000;
  for (const [age, word] of [
    [0, 'fresh'],
    [119_999, 'fresh'],
    [120_000, 'stale'],
    [599_999, 'stale'],
    [600_000, 'dead'],
    [-1, 'stale'],
    [-86_400_000, 'stale'],
  ] as const) {
    assert.equal(classifyHeartbeat(now - age, now), word, `${age}`);
  }
});
