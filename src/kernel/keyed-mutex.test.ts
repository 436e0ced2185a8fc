import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createKeyedMutex } from './keyed-mutex.ts';

it('runs bodies of one key one after another, of two keys beside each other, also after a failure', async () => {
  const mutex = createKeyedMutex();
  const log: string[] = [];
  const gate = Promise.withResolvers<void>();
  const first = mutex.run('a', async () => {
    await gate.promise;
    log.push('a1');
    throw new Error('failed');
  });
  const second = mutex.run('a', async () => log.push('a2'));
  await mutex.run('b', async () => log.push('b1'));
  assert.deepEqual(log, ['b1']);
  gate.resolve();
  await assert.rejects(first, /failed/);
  await second;
  assert.deepEqual(log, ['b1', 'a1', 'a2']);
});
