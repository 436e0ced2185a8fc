/**
 * Files sent for a job: what was acknowledged is what the agent finds, byte for byte, whatever was killed meanwhile; what
 * was not is as if it had never been sent. The agent witnesses what it saw outside the home.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { sha256 } from '../../src/kernel/hash.ts';
import { World, type Answer, type JobView } from '../support/world.ts';
import { checkInvariants } from './invariants.ts';

const CONTENT = randomBytes(200_000);
/** Every file the agent finds at the top, with its hash. */
const LOOK = 'sha256sum data.bin 2>/dev/null | cut -d" " -f1 >> "$WITNESS/seen"';

function send(world: World, job: JobView, content: Uint8Array): Promise<Answer> {
  return world.upload(job.id, 'data.bin', content);
}

for (const point of ['upload.before-rename', 'upload.after-rename', 'upload.after-record'] as const) {
  test(`killed at ${point}: a file is there whole or not at all, and sending it again is fine`, async () => {
    await using world = await World.create();
    await world.start({ failpoints: `${point}:crash` });
    await world.register();
    const job = await world.submitShell(LOOK, { start: false });
    await assert.rejects(send(world, job, CONTENT));
    await world.awaitEnd();
    await world.start();
    const listed = (await world.api('GET', `/v1/jobs/${job.id}/files`)).body as { items: { sha256: string }[] };
    const expected = point === 'upload.after-record' ? [sha256(CONTENT)] : [];
    assert.deepEqual(
      listed.items.map((file) => file.sha256),
      expected,
    );
    assert.ok((await send(world, job, CONTENT)).status < 300);
    await world.api('POST', `/v1/jobs/${job.id}/start`);
    await world.awaitState(job.id, 'completed');
    assert.deepEqual(await world.readWitness('seen'), [sha256(CONTENT)]);
    await checkInvariants(world);
  });
}

test('killed after a second version has its place: the first, acknowledged one is what the agent sees', async () => {
  await using world = await World.create();
  await world.start({ failpoints: 'upload.after-rename:crash@2' });
  await world.register();
  const job = await world.submitShell(LOOK, { start: false });
  assert.equal((await send(world, job, CONTENT)).status, 201);
  await assert.rejects(send(world, job, randomBytes(1000)));
  await world.awaitEnd();
  await world.start();
  await world.api('POST', `/v1/jobs/${job.id}/start`);
  await world.awaitState(job.id, 'completed');
  assert.deepEqual(await world.readWitness('seen'), [sha256(CONTENT)]);
});

for (const point of [
  'upload.before-copy',
  'upload.after-copy',
  'workspace.after-rename',
  'attempt.after-workspace',
] as const) {
  test(`killed at ${point}, while the workspace is made: the agent finds every file, once started`, async () => {
    await using world = await World.create();
    await world.start({ failpoints: `${point}:crash` });
    await world.register();
    const job = await world.submitShell(LOOK, { start: false });
    assert.equal((await send(world, job, CONTENT)).status, 201);
    await world.api('POST', `/v1/jobs/${job.id}/start`).catch(() => undefined);
    await world.awaitEnd();
    await world.start();
    await world.awaitState(job.id, 'completed');
    assert.deepEqual(await world.readWitness('seen'), [sha256(CONTENT)]);
    await checkInvariants(world);
  });
}

test('a retry makes the workspace anew and finds the files again; they leave no name of their own behind', async () => {
  await using world = await World.create();
  await world.start();
  await world.register();
  const job = await world.submitShell(`${LOOK}; rm data.bin; [ -e "$WITNESS/go" ]`, { start: false });
  await send(world, job, CONTENT);
  await world.api('POST', `/v1/jobs/${job.id}/start`);
  await world.awaitState(job.id, 'failed');
  await world.kill();
  await world.start();
  await world.api('POST', `/v1/jobs/${job.id}/retry`);
  await world.awaitState(job.id, 'failed');
  assert.deepEqual(await world.readWitness('seen'), [sha256(CONTENT), sha256(CONTENT)]);
  const names = await readdir(world.home.staging(job.id));
  assert.deepEqual(names, [sha256(CONTENT)]);
});

test('a staged file that was changed is never handed to an agent', async () => {
  await using world = await World.create();
  await world.start();
  await world.register();
  const job = await world.submitShell(LOOK, { start: false });
  await send(world, job, CONTENT);
  const path = join(world.home.staging(job.id), sha256(CONTENT), 'data.bin');
  const bytes = await readFile(path);
  bytes[100_000] = (bytes[100_000] ?? 0) ^ 1;
  await writeFile(path, bytes);
  await world.api('POST', `/v1/jobs/${job.id}/start`);
  const ended = await world.awaitState(job.id, 'quarantined');
  assert.match(ended.blocker ?? '', /data\.bin.* is not what was sent/);
  assert.deepEqual(await world.readWitness('seen'), []);
});
