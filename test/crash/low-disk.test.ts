/**
 * Little space is left on the disk that holds the home: new work is accepted and waits, says why and what to do, and
 * goes on by itself once there is room; below a second threshold running work is stopped, the one that loses least
 * first, and is continued later without a strike.
 */
import assert from 'node:assert/strict';
import { appendFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { DoctorView } from '../../src/api/contract/server.ts';
import { until } from '../support/poll.ts';
import { inMountNamespace, SmallDisk } from '../support/small-disk.ts';
import { testifying } from '../support/testimony.ts';
import { World, type JobView } from '../support/world.ts';
import { checkInvariants } from './invariants.ts';

const DISK_BYTES = 64 * 2 ** 20;
const MIB = 2 ** 20;

inMountNamespace(import.meta.filename, 'a disk with little space', {
  count: 3,
  tests: () => {
    test('new work waits, says why, and goes on by itself', () => testWaiting('server stays'));
    test('the same, and the server is killed while it waits', () => testWaiting('server dies'));
    test('below the second threshold the youngest work is stopped, and continued later', testStopping);
  },
});

async function testWaiting(how: 'server stays' | 'server dies'): Promise<void> {
  await using world = await World.create();
  await mkdir(world.home.root);
  await using disk = new SmallDisk(world.home.root, DISK_BYTES);
  await world.configure({ limits: { freeDisk: '16 MiB' } });
  await world.start();
  await world.register();
  const running = await world.submitShell(testifying('say begun; while [ ! -e "$WITNESS/go" ]; do sleep 0.05; done'));
  await until('it works', async () => (await world.getJob(running.id)).outputBytes > 0);
  await disk.fill(8 * MIB);
  const waiting = await world.submitShell(testifying('say done'));
  await checkWaits(world, waiting);
  await until('what works is warned', async () => /Job 1 warned: new work waits/.test(await world.readLog()));
  if (how === 'server dies') {
    await world.kill();
    await world.start();
    await checkWaits(world, waiting);
  }
  assert.equal((await world.getJob(running.id)).state, 'running');
  appendFileSync(join(world.witness, 'go'), '');
  await world.awaitState(running.id, 'completed');
  assert.equal((await world.getJob(waiting.id)).state, 'queued');
  await disk.free();
  const done = await world.awaitState(waiting.id, 'completed', 'failed');
  assert.deepEqual([done.state, done.attempts], ['completed', 1]);
  const { degraded } = (await world.api('GET', '/readyz')).body as { degraded: string[] };
  assert.deepEqual(degraded, []);
  const events = (
    await world.call({ method: 'GET', path: '/v1/events?after=0&limit=200', headers: { accept: 'application/json' } })
  ).body as { items: { kind: string; jobId: string | null }[] };
  assert.ok(events.items.some((event) => event.kind === 'job.warn' && event.jobId === running.id));
  await checkInvariants(world, { startAgain: true });
}

/** Everything that tells of the queue tells why it stands still. */
async function checkWaits(world: World, job: JobView): Promise<void> {
  const shown = await until('it says what it waits for', async () => {
    const now = (await world.getJob(job.id)) as JobView & { nextSafeAction: string };
    return now.nextSafeAction === 'free_disk' ? now : null;
  });
  assert.equal(shown.state, 'queued');
  assert.match(shown.blocker ?? '', /new work waits for disk space: .* free .* needed/);
  const queue = (await world.api('GET', '/v1/queue')).body as { admission: { open: boolean; reason: string } };
  assert.deepEqual([queue.admission.open, queue.admission.reason], [false, 'free_disk']);
  const ready = await world.api('GET', '/readyz');
  assert.deepEqual([ready.status, (ready.body as { degraded: string[] }).degraded], [200, ['disk']]);
  const doctor = (await world.api('GET', '/v1/doctor')).body as DoctorView;
  assert.equal(doctor.checks.find((check) => check.name === 'disk')?.level, 'warn');
  assert.match(String((await world.api('GET', '/metrics')).body), /^holdfast_admission_open 0$/m);
}

async function testStopping(): Promise<void> {
  await using world = await World.create();
  await mkdir(world.home.root);
  await using disk = new SmallDisk(world.home.root, DISK_BYTES);
  await world.configure({ limits: { freeDisk: '16 MiB', stopDisk: '8 MiB' } });
  await world.start();
  await world.register();
  const script = testifying('say begun; while [ ! -e "$WITNESS/go" ]; do sleep 0.05; done; say done');
  const old = await world.submitShell(script);
  await until('the older works', async () => (await world.getJob(old.id)).outputBytes > 0);
  const young = await world.submitShell(script);
  await until('the younger works', async () => (await world.getJob(young.id)).outputBytes > 0);
  const place = (await world.getJob(young.id)).queueSeq;
  await disk.fill(4 * MIB);
  const stopped = await world.awaitState(young.id, 'queued');
  assert.equal((await world.getJob(old.id)).state, 'running', 'the older one loses more');
  await disk.free();
  assert.equal(stopped.queueSeq, place);
  appendFileSync(join(world.witness, 'go'), '');
  for (const job of [young, old]) await world.awaitState(job.id, 'completed');
  const [first, second] = await world.getAttempts(young.id);
  assert.deepEqual([first?.state, first?.stoppedBy, second?.state], ['interrupted', 'stop', 'finished']);
  assert.match(first?.note ?? '', /^paused: new work waits for disk space/);
  await checkInvariants(world, { startAgain: true });
}
