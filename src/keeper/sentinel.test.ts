import assert from 'node:assert/strict';
import { test } from 'node:test';
import { classifyHeartbeat, DEFAULT_HEARTBEAT_AGES } from './sentinel.ts';

test('a heartbeat ages from fresh over stale to dead, and one from the future is stale', () => {
  for (const [age, word] of [
    [0, 'fresh'],
    [119_999, 'fresh'],
    [120_000, 'stale'],
    [599_999, 'stale'],
    [600_000, 'dead'],
    [-1, 'stale'],
    [-86_400_000, 'stale'],
  ] as const) {
    assert.equal(classifyHeartbeat(age, DEFAULT_HEARTBEAT_AGES), word, `${age}`);
  }
  const ages = { staleMs: 1000, deadMs: 2000 };
  assert.deepEqual(
    [999, 1000, 1999, 2000].map((age) => classifyHeartbeat(age, ages)),
    ['fresh', 'stale', 'stale', 'dead'],
  );
});
