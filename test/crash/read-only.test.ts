/**
 * The disk that holds the home can only be read: a server says so and does not start, and whatever was accepted before
 * is there once it can be written again. The disk is one in memory, mounted where only this test sees it.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { test } from 'node:test';
import { until } from '../support/poll.ts';
import { inMountNamespace, SmallDisk } from '../support/small-disk.ts';
import { readStarts, testifying } from '../support/testimony.ts';
import { World } from '../support/world.ts';
import { checkInvariants } from './invariants.ts';

inMountNamespace(import.meta.filename, 'a disk that can only be read', {
  count: 1,
  tests: () => void test('a home on a disk that can only be read is refused, and whole afterwards', testReadOnly),
});

async function testReadOnly(): Promise<void> {
  await using world = await World.create();
  await mkdir(world.home.root);
  await using disk = new SmallDisk(world.home.root, 32 * 2 ** 20);
  await world.start();
  await world.register();
  const first = await world.submitShell(testifying('say first'));
  await world.awaitState(first.id, 'completed');
  const held = await world.submitShell(testifying('say held'), { start: false });
  await world.kill();
  // A writer in the middle of its end would keep the disk writable.
  await until('the disk can only be read', () => remount(disk.path, 'ro'));
  const refused = await world.start({ waitReady: false });
  const { code, signal } = await refused.ended;
  assert.ok(signal === null && code !== 0, `it ended with ${code ?? signal}`);
  const said = await world.readLog();
  assert.match(said, /read-only|EROFS/);
  assert.match(said, /\[home-unusable\]/);
  assert.ok(remount(disk.path, 'rw'));
  await world.start();
  assert.equal(await world.readOutput(first.id), 'first\n');
  await world.api('POST', `/v1/jobs/${held.id}/start`);
  await world.awaitState(held.id, 'completed');
  assert.equal((await readStarts(world)).length, 2);
  await checkInvariants(world);
}

function remount(path: string, mode: 'ro' | 'rw'): boolean {
  try {
    execFileSync('mount', ['-o', `remount,${mode}`, path], { stdio: 'pipe' });
    return true;
  } catch {
    return false;
  }
}
