import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Pacer } from './pacer.ts';

test('each waiter is told once, later than whoever added it, and never all in one turn', async () => {
  const pacer = new Pacer();
  const told: number[] = [];
  const turns: number[] = [];
  const all = Promise.withResolvers<void>();
  let turn = 0;
  const ticking = setInterval(() => turn++, 0);
  const waiters = Array.from({ length: 200 }, (_, n) => ({
    notify: () => {
      told.push(n);
      turns.push(turn);
      if (told.length === 200) all.resolve();
    },
  }));
  for (const waiter of [...waiters, ...waiters]) pacer.add(waiter);
  await Promise.resolve();
  assert.deepEqual(told, []);
  await all.promise;
  clearInterval(ticking);
  assert.deepEqual(
    told,
    waiters.map((_, n) => n),
  );
  assert.ok(new Set(turns).size > 1, 'all were told in one turn');
});

test('one that is told may ask to be told again, one that left is not told', async () => {
  const pacer = new Pacer();
  let times = 0;
  const done = Promise.withResolvers<void>();
  const waiter = {
    notify: () => {
      if (++times === 3) done.resolve();
      else pacer.add(waiter);
    },
  };
  const gone = { notify: () => assert.fail('it left') };
  pacer.add(gone);
  pacer.add(waiter);
  pacer.remove(gone);
  await done.promise;
  assert.equal(times, 3);
});
