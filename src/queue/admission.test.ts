import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'node:test';
import { systemClock } from '../kernel/clock.ts';
import { createAdmission, type Admission } from './admission.ts';
import { orderByLoss } from './least-lost.ts';

interface Bench extends AsyncDisposable {
  admission: Admission;
  disk: { freeBytes: number; broken: boolean };
  told: string[];
  looks: () => number;
}

/** An admission over a disk of 1,000,000 bytes whose free space the test sets; work waits below 1000, stops below 100. */
async function makeAdmission(isBusy: () => boolean = () => false): Promise<Bench> {
  const disk = { freeBytes: 5000, broken: false };
  const told: string[] = [];
  let looks = 0;
  const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
  const admission = createAdmission({
    probe: async () => {
      looks += 1;
      if (disk.broken) throw new Error('no answer');
      return { freeBytes: disk.freeBytes, totalBytes: 1e6 };
    },
    limits: { free: { bytes: 1000 }, stop: { bytes: 100 } },
    clock: systemClock,
    log: silent,
    isBusy,
    onOpen: () => void told.push('open'),
    onLow: async () => void told.push('low'),
    onCritical: async () => void told.push('critical'),
    lookMs: 5,
  });
  await admission.start();
  return { admission, disk, told, looks: () => looks, [Symbol.asyncDispose]: () => admission.stop() };
}

async function until(what: string, look: () => boolean): Promise<void> {
  for (const end = performance.now() + 30_000; !look(); await sleep(2)) {
    if (performance.now() > end) throw new Error(`waited in vain until ${what}`);
  }
}

test('who was refused is told once there is room again, and only then', async () => {
  await using bench = await makeAdmission();
  const { admission, disk, told } = bench;
  assert.equal(await admission.admit(), true);
  disk.freeBytes = 999;
  assert.equal(await admission.admit(), false);
  assert.equal(await admission.admit(), false);
  assert.deepEqual(told, ['low'], 'what is at work is warned once');
  disk.freeBytes = 1050;
  const before = bench.looks();
  await until('the disk was looked at again', () => bench.looks() > before + 1);
  assert.deepEqual(told, ['low'], 'the margin is not reached');
  disk.freeBytes = 1100;
  await until('the waiting one is told', () => told.includes('open'));
  assert.deepEqual(told, ['low', 'open']);
  assert.equal(await admission.admit(), true);
});

test('nothing looks at the disk while nothing waits and nothing works', async () => {
  let busy = true;
  await using bench = await makeAdmission(() => busy);
  await until('a disk in use is watched', () => bench.looks() > 3);
  busy = false;
  const settled = async (): Promise<number> => {
    await sleep(50);
    return bench.looks();
  };
  const after = await settled();
  assert.equal(await settled(), after);
});

test('below the second threshold every look says so, until there is room', async () => {
  await using bench = await makeAdmission(() => true);
  bench.disk.freeBytes = 99;
  await until('it is told twice', () => bench.told.filter((one) => one === 'critical').length >= 2);
  assert.equal(bench.told[0], 'low');
  bench.disk.freeBytes = 5000;
  await until('it is well', () => bench.admission.current()?.level === 'ok');
});

test('a disk that cannot be looked at proves nothing: work goes on, and what waits goes on waiting', async () => {
  await using bench = await makeAdmission();
  bench.disk.broken = true;
  assert.equal(await bench.admission.admit(), true);
  Object.assign(bench.disk, { broken: false, freeBytes: 1 });
  assert.equal(await bench.admission.admit(), false);
  bench.disk.broken = true;
  assert.equal(await bench.admission.admit(), false);
});

test('what is stopped first loses least: a session that goes on, then the youngest work', () => {
  const job = (jobId: string, since: number, losesAll: boolean) => ({ jobId, since, losesAll });
  const order = orderByLoss([
    job('old', 1, true),
    job('young', 9, true),
    job('warm', 2, false),
    job('fresh', 3, false),
  ]);
  assert.deepEqual(
    order.map((one) => one.jobId),
    ['fresh', 'warm', 'young', 'old'],
  );
});
