/**
 * The disk that holds the home is full: what cannot be kept is refused and leaves nothing behind, and what has happened
 * is recorded once there is room. The disk is a small one in memory, mounted where only this test sees it: the file
 * runs itself again in a mount namespace of its own.
 */
import assert from 'node:assert/strict';
import { appendFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { isAlive, isStopped, type ProcessIdentity } from '../../src/keeper/host-identity.ts';
import { signalProcess } from '../../src/keeper/processes.ts';
import { until } from '../support/poll.ts';
import { inMountNamespace, SmallDisk } from '../support/small-disk.ts';
import { readEnds, testifying } from '../support/testimony.ts';
import { World, type Answer, type JobView } from '../support/world.ts';
import { checkInvariants } from './invariants.ts';

inMountNamespace(import.meta.filename, 'a full disk', {
  count: 4,
  tests: () => {
    test('submissions to a full disk are refused, and nothing of them is kept', testSubmissions);
    test('an agent fills the disk: how it ended is recorded once there is room', () => testAgent('server stays'));
    test('the same, and the server dies meanwhile', () => testAgent('server dies'));
    test('a keeper that finds the disk full is no strike: the job says what it waits for, and goes on', testKeeper);
  },
});

const DISK_BYTES = 24 * 2 ** 20;

async function testSubmissions(): Promise<void> {
  await using world = await World.create();
  await mkdir(world.home.root);
  await using disk = new SmallDisk(world.home.root, DISK_BYTES);
  await world.start();
  await world.register();
  await world.awaitState((await world.submitShell(testifying('say first'))).id, 'completed');
  await disk.fill();
  const refused: string[] = [];
  // The log has some room of its own: submissions go on being kept until that is used up.
  for (let n = 0; refused.length < 5; n++) {
    assert.ok(n < 2000, 'the disk is never full');
    const answer = await submitKeyed(world, n);
    if (answer.status === 201) continue;
    assert.equal(answer.status, 507, JSON.stringify(answer.body));
    assert.equal((answer.body as { code: string }).code, 'storage-full');
    refused.push(String(n));
  }
  const kept = world.acknowledged.size;
  assert.equal((await world.api('GET', '/v1/jobs?limit=100')).status, 200);
  assert.equal((await fetch(`${(await world.readServer()).url}/healthz`)).status, 200);
  await world.kill();
  await disk.free();
  await world.start();
  assert.equal(await countJobs(world), kept);
  // The same requests, sent again: nothing of the refused ones is in their way, and none is there twice.
  for (const n of refused) assert.equal((await submitKeyed(world, Number(n))).status, 201);
  assert.equal(await countJobs(world), kept + refused.length);
  await checkInvariants(world, { startAgain: true });
}

async function testAgent(how: 'server stays' | 'server dies'): Promise<void> {
  await using world = await World.create();
  await mkdir(world.home.root);
  await using disk = new SmallDisk(world.home.root, DISK_BYTES);
  await world.start();
  await world.register();
  // Prints until nothing more fits.
  const flood = 'say begun; while [ ! -e "$WITNESS/go" ]; do sleep 0.05; done; head -c 50000000 /dev/zero; exit 4';
  const job = await world.submitShell(testifying(flood));
  await until('it works', async () => (await world.getJob(job.id)).outputBytes > 0);
  await disk.fill(2 ** 20);
  appendFileSync(join(world.witness, 'go'), '');
  await until('it has ended', async () => (await readEnds(world)).length === 1);
  const [attempt] = await world.listAttempts();
  await until(
    'its keeper has ended',
    () => attempt?.keeper !== undefined && attempt.keeper !== null && !isAlive(attempt.keeper),
  );
  assert.ok((await disk.countFree()) < 2 ** 16, 'the disk is not full');
  if (how === 'server dies') await world.kill();
  await disk.free();
  if (how === 'server dies') await world.start();
  const ended: JobView = await world.awaitState(job.id, 'failed', 'completed', 'blocked');
  assert.deepEqual([ended.state, ended.exitCode, ended.attempts], ['failed', 4, 1]);
  const output = await world.readOutput(job.id);
  assert.ok(output.length === ended.outputBytes && output.length > 2 ** 19);
  assert.match(output, /^begun\n\0+/);
  await checkInvariants(world);
}

async function testKeeper(): Promise<void> {
  await using world = await World.create();
  await mkdir(world.home.root);
  // Files run out, not bytes: the database goes on, and only the keeper finds out.
  await using disk = new SmallDisk(world.home.root, DISK_BYTES, 2000);
  await world.configure({ limits: { freeDisk: 0 } });
  await world.start({ failpoints: 'keeper.after-claim:stop' });
  await world.register();
  const job = await world.submitShell(testifying('say worked'));
  const keeper = await awaitStoppedKeeper(world);
  disk.fillFiles();
  signalProcess(keeper, 'SIGCONT');
  const waits = /"reason":"free_disk"[^\n]*Job 1 requeue: attempt 1 NEVER_RAN/;
  await until('the job is put back', async () => waits.test(await world.readLog()));
  await disk.free();
  for (let state = ''; state !== 'completed';) {
    const stopped = await findStoppedKeeper(world);
    if (stopped !== null) signalProcess(stopped, 'SIGCONT');
    const now = await world.getJob(job.id);
    assert.ok(['queued', 'preparing', 'running', 'completed'].includes(now.state), JSON.stringify(now));
    if (now.state !== 'queued') assert.equal(now.reason, null);
    state = now.state;
    await sleep(20);
  }
  await checkInvariants(world);
}

async function findStoppedKeeper(world: World): Promise<ProcessIdentity | null> {
  return (await world.listKeepers()).find((keeper) => isStopped(keeper)) ?? null;
}

async function awaitStoppedKeeper(world: World): Promise<ProcessIdentity> {
  await until('a keeper has stopped at its claim', async () => (await findStoppedKeeper(world)) !== null);
  return (await findStoppedKeeper(world)) ?? assert.fail('it went on by itself');
}

/** Submits a held job under a key of its own, with a prompt that needs a few pages. */
async function submitKeyed(world: World, n: number): Promise<Answer> {
  return world.call({
    method: 'POST',
    path: '/v1/jobs',
    body: { repository: 'demo', command: ['true'], prompt: `${n} ${'x'.repeat(20_000)}`, start: false },
    headers: { 'idempotency-key': `key-${n}` },
  });
}

async function countJobs(world: World): Promise<number> {
  let count = 0;
  for (let cursor: string | null = ''; cursor !== null;) {
    const query: string = cursor === '' ? '' : `&cursor=${cursor}`;
    const page = (await world.api('GET', `/v1/jobs?limit=100${query}`)).body as {
      items: unknown[];
      nextCursor: string | null;
    };
    count += page.items.length;
    cursor = page.nextCursor;
  }
  return count;
}
