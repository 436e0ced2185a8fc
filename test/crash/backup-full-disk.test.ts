/** A backup or a home that does not fit says so, leaves nothing behind, and fits once there is room. */
import assert from 'node:assert/strict';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { run } from '../e2e/command.ts';
import { inMountNamespace, SmallDisk } from '../support/small-disk.ts';
import { World } from '../support/world.ts';
import { backUp } from './restored-home.ts';

/** Less than a home with this much output needs. */
const DISK_BYTES = 2 * 2 ** 20;
const PRINT = `head -c ${DISK_BYTES} /dev/zero | tr '\\0' x`;

inMountNamespace(import.meta.filename, 'a disk that is too small', {
  count: 1,
  tests: () => {
    test('a backup and a restore that do not fit leave nothing', testSmallDisk);
  },
});

async function testSmallDisk(): Promise<void> {
  await using world = await World.create();
  const small = join(world.root, 'small');
  await mkdir(small);
  await using disk = new SmallDisk(small, DISK_BYTES);
  await world.start();
  await world.register();
  await world.awaitState((await world.submitShell('echo little')).id, 'completed');
  const fits = await backUp(world, join(small, 'fits'));
  assert.equal(fits.state, 'made', fits.note ?? '');
  const printed = await world.submitShell(PRINT);
  await world.awaitState(printed.id, 'completed');
  const failed = await run(world, ['backup', join(small, 'large'), '--json']);
  assert.equal(failed.code, 1);
  assert.match(failed.stderr, /storage-full/);
  assert.deepEqual(await readdir(small), ['fits']);
  const saved = join(world.root, 'saved');
  assert.equal((await backUp(world, saved)).state, 'made');
  const refused = await run(world, ['restore', saved, '--home', join(small, 'home'), '--json']);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /storage-full/);
  assert.deepEqual(await readdir(small), ['fits']);
  await disk.free();
  await world.kill();
  // Without a server it is said in the same words.
  const offline = await run(world, ['backup', join(small, 'large'), '--json']);
  assert.match(offline.stderr, /storage-full/);
  assert.deepEqual(await readdir(small), ['fits']);
}
