import assert from 'node:assert/strict';
import { test } from 'node:test';
import { elapsedTime, formatBytes, relativeTime } from './times.ts';

const now = Date.parse('2026-03-01T12:00:00.000Z');
const at = (ms: number): string => new Date(now + ms).toISOString();

test('a moment is told by its larger unit, before and after now', () => {
  assert.equal(relativeTime(null, now), '–');
  assert.equal(relativeTime(at(-400), now), 'just now');
  assert.equal(relativeTime(at(-12_000), now), '12s ago');
  assert.equal(relativeTime(at(-200_000), now), '3m ago');
  assert.equal(relativeTime(at(-2 * 86_400_000 - 3_600_000), now), '2d ago');
  assert.equal(relativeTime(at(300_000), now), 'in 5m');
});

test('a span runs to now while it has not ended, and never backwards', () => {
  assert.equal(elapsedTime({ from: null, to: null }, now), '–');
  assert.equal(elapsedTime({ from: at(-90_000), to: null }, now), '1m 30s');
  assert.equal(elapsedTime({ from: at(-90_000), to: at(-30_000) }, now), '1m');
  assert.equal(elapsedTime({ from: at(5000), to: null }, now), '0ms');
});

test('sizes keep three or four significant characters', () => {
  const sizes: [number, string][] = [
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.0 KiB'],
    [1_048_575, '1.0 MiB'],
    [5 * 2 ** 30, '5.0 GiB'],
    [2 ** 60, '1048576.0 TiB'],
  ];
  for (const [bytes, text] of sizes) assert.equal(formatBytes(bytes), text);
});
