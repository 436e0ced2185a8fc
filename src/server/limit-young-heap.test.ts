import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';

/** Makes many objects of which many live for a while, and tells how large the young part of the heap became, in MB. */
const PROGRAM = `
import { getHeapSpaceStatistics } from 'node:v8';
import { setImmediate } from 'node:timers/promises';
import { limitYoungHeap } from './src/server/limit-young-heap.ts';
if (process.argv[1] === 'limited') limitYoungHeap();
for (let round = 0; round < 40; round++) {
  const live = new Map();
  for (let n = 0; n < 30_000; n++) live.set(n % 20_000, [{ n, text: 'x' + n }, new Array(20).fill(n)]);
  await setImmediate();
}
console.log(getHeapSpaceStatistics().find((space) => space.space_name === 'new_space').space_size / 2 ** 20);
`;

function play(how: string): number {
  const args = ['--input-type=module', '-e', PROGRAM, how];
  const { stdout, stderr } = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    cwd: `${import.meta.dirname}/../..`,
  });
  assert.ok(Number(stdout) > 0, stderr);
  return Number(stdout);
}

test('the young part of the heap stops growing early', () => {
  const [limited, free] = [play('limited'), play('free')];
  assert.ok(limited <= 40 && limited < free, `${limited} MB limited, ${free} MB free`);
});
