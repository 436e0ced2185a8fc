import assert from 'node:assert/strict';
import { it } from 'node:test';
import { MAX_DELIVERY_WAIT_MS } from '../lifecycle/delivery.ts';
import { judgeTry, RETRY_WAITS_MS, type TryResult } from './judge-try.ts';

const NOW = 1_700_000_000_000;
const judge = (result: TryResult, roundTries = 1) =>
  judgeTry(result, { roundTries, waitsMs: RETRY_WAITS_MS, now: NOW });
const answer = (status: number, retryAfter: string | null = null): TryResult => ({
  kind: 'answer',
  status,
  retryAfter,
});

it('takes 2xx for sent, and nothing else', () => {
  for (let status = 200; status < 600; status++) {
    const { transition } = judge(answer(status));
    const isFinal = status >= 400 && status < 500 && status !== 408 && status !== 429;
    assert.equal(transition, status < 300 ? 'deliver' : isFinal ? 'fail' : 'retry', String(status));
  }
});

it('tries once and three times more, after 30 s, 2 min and 10 min', () => {
  const waits = [1, 2, 3].map((roundTries) => (judge(answer(500), roundTries).nextAt ?? 0) - NOW);
  assert.deepEqual(waits, [30_000, 120_000, 600_000]);
  const last = judge(answer(500), 4);
  assert.deepEqual([last.transition, last.status, last.error, last.nextAt], ['fail', 500, 'it answered 500', null]);
  assert.equal(judge({ kind: 'error', message: 'ECONNREFUSED' }, 4).transition, 'fail');
  assert.equal(judge({ kind: 'error', message: 'ECONNREFUSED' }, 3).transition, 'retry');
});

it('honours Retry-After in both forms, up to an hour, and never waits less than the schedule', () => {
  const waitOf = (value: string, status = 429): number => (judge(answer(status, value)).nextAt ?? 0) - NOW;
  assert.equal(waitOf('90'), 90_000);
  assert.equal(waitOf('90', 503), 90_000);
  assert.equal(waitOf('1'), 30_000);
  assert.equal(waitOf('999999999'), MAX_DELIVERY_WAIT_MS);
  assert.equal(waitOf('99999999999999999999'), 30_000);
  assert.equal(waitOf(new Date(NOW + 75_000).toUTCString()), 75_000);
  assert.equal(waitOf(new Date(NOW - 75_000).toUTCString()), 30_000);
  for (const nonsense of ['', 'soon', '-5', '1e9', 'NaN']) assert.equal(waitOf(nonsense), 30_000, nonsense);
});

it('disables a target by 410 alone, and never sends to a forbidden one', () => {
  assert.deepEqual(
    [judge(answer(410)).gone, judge(answer(404)).gone, judge(answer(500), 4).gone],
    [true, false, false],
  );
  const forbidden = judge({ kind: 'forbidden', message: 'a is 10.0.0.1' });
  assert.deepEqual([forbidden.transition, forbidden.error, forbidden.gone], ['fail', 'a is 10.0.0.1', false]);
});

it('says of a redirect that it is not followed', () => {
  assert.match(judge(answer(302)).error ?? '', /302: redirects are not followed/);
});
