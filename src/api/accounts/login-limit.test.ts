import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLoginLimit } from './login-limit.ts';

function makeClock(): { now(): number; monotonic(): number; at: number } {
  const clock = { at: 0, now: () => 1_700_000_000_000, monotonic: () => clock.at };
  return clock;
}

test('ten wrong passwords of one name from one address, then it waits out the window', () => {
  const clock = makeClock();
  const limit = createLoginLimit(clock);
  for (let i = 0; i < 10; i++) assert.equal(limit.begin('ann', '10.0.0.1'), null);
  assert.equal(limit.begin('ann', '10.0.0.1'), 900);
  assert.equal(limit.begin('bob', '10.0.0.1'), null, 'another name');
  assert.equal(limit.begin('ann', '10.0.0.2'), null, 'another address');
  clock.at = 899_999;
  assert.equal(limit.begin('ann', '10.0.0.1'), 1);
  clock.at = 900_000;
  assert.equal(limit.begin('ann', '10.0.0.1'), null);
});

test('a login that succeeds counts for nothing', () => {
  const limit = createLoginLimit(makeClock());
  for (let i = 0; i < 500; i++) {
    assert.equal(limit.begin('ann', 'a'), null);
    limit.succeed('ann', 'a');
  }
});

test('one address has a hundred tries over all names, and made-up names fill no memory', () => {
  const limit = createLoginLimit(makeClock());
  for (let i = 0; i < 100; i++) assert.equal(limit.begin(`name ${i}`, 'a'), null);
  assert.equal(limit.begin('fresh', 'a'), 900);
  for (let i = 0; i < 30_000; i++) limit.begin('x', `address ${i}`);
  assert.equal(limit.begin('fresh', 'a'), null, 'the oldest counters went');
});
