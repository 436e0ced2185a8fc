import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { backoffMs, delay } from './backoff.ts';

describe('backoffMs', () => {
  it('doubles from the first wait up to the limit', () => {
    assert.deepEqual(
      [1, 2, 3, 4, 5].map((attempt) => backoffMs(attempt, 100, 900)),
      [100, 200, 400, 800, 900],
    );
  });

  it('never shrinks, never exceeds the limit, never becomes a number that is none', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -5, max: 5000 }),
        fc.integer({ min: 1, max: 1e6 }),
        fc.integer({ min: 1, max: 1e9 }),
        (attempt, first, max) => {
          const wait = backoffMs(attempt, first, max);
          assert.ok(wait > 0 && wait <= max);
          assert.ok(backoffMs(attempt + 1, first, max) >= wait);
        },
      ),
    );
  });
});

describe('delay', () => {
  it('waits, and leaves nothing on the signal', async () => {
    const { signal } = new AbortController();
    const started = performance.now();
    await delay(20, signal);
    // Timers may fire up to a millisecond early.
    assert.ok(performance.now() - started >= 19);
    assert.equal(getEventListeners(signal, 'abort').length, 0);
  });

  it('rejects with the reason when aborted, before or while waiting', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const waiting = delay(60_000, controller.signal);
    controller.abort(reason);
    await assert.rejects(waiting, reason);
    await assert.rejects(delay(60_000, controller.signal), reason);
    await assert.rejects(delay(60_000, AbortSignal.abort('a word')), /aborted/);
  });
});
