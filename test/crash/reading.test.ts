/** P7: looking changes nothing, with a server and without one; and what a look tells of work that is held up. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../support/poll.ts';
import { World } from '../support/world.ts';
import { run } from '../e2e/command.ts';

/** Everything a person may type to look. */
const LOOKS = [
  ['show', '1'],
  ['show', '2'],
  ['status'],
  ['status', '2', '--json'],
  ['jobs'],
  ['queue'],
  ['leases'],
  ['locks'],
  ['events', '--limit', '5'],
  ['diff', '1'],
  ['stats'],
  ['repo', 'show', 'demo'],
  ['doctor'],
  ['recovery', 'report'],
  ['recovery', 'status'],
  ['recovery', 'quarantine'],
  ['server', 'status'],
];

/** The same while no server answers. */
const DOWN = [['status'], ['doctor'], ['recovery', 'report'], ['server', 'status']];

/** sha256 of every file below the home, by path. */
async function hashHome(root: string): Promise<Record<string, string>> {
  const hashes: Record<string, string> = {};
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    // SQLite's own table of who reads where: it is made anew at every start, and holds nothing.
    if (path.endsWith('-shm')) continue;
    const bytes = entry.isSymbolicLink() ? await readlink(path) : entry.isFile() ? await readFile(path) : '';
    const { mode } = await lstat(path);
    hashes[path.slice(root.length)] = `${mode.toString(8)} ${createHash('sha256').update(bytes).digest('hex')}`;
  }
  return hashes;
}

/** The home once nothing is written to it any more by itself. */
async function settledHome(root: string): Promise<Record<string, string>> {
  return until('the home is at rest', async () => {
    const before = await hashHome(root).catch(() => null);
    await sleep(1000);
    const after = await hashHome(root).catch(() => null);
    return before !== null && JSON.stringify(before) === JSON.stringify(after) ? before : null;
  });
}

test('looking changes no file of the home, and tells what is held up and what to do', async () => {
  await using world = await World.create();
  await world.start();
  await world.register();
  const prompt = JSON.stringify({ steps: [{ write: { path: 'answer', content: 'good' } }, { commit: 'Answer' }] });
  const done = await world.submit({ prompt, agent: 'scripted', pipeline: 'full' });
  const empty = await world.submit({ prompt: '{"steps":[]}', agent: 'scripted', pipeline: 'full' });
  await world.submit({ prompt, agent: 'scripted', start: false });
  await world.awaitState(done.id, 'ready');
  await world.awaitState(empty.id, 'blocked');

  const shown = await run(world, ['show', '2']);
  assert.match(shown.stdout, /recovery +🔴 nobody on it/);
  assert.match(shown.stdout, /next +fixup: holdfast fixup 2/);
  const { items } = JSON.parse((await run(world, ['status', '--json'])).stdout) as { items: Record<string, unknown>[] };
  assert.deepEqual(
    items.map(({ job, state, stage, recovery, command }) => [job, state, stage, recovery, command]),
    [
      [2, 'blocked', 'implement', 'none', 'holdfast fixup 2'],
      [3, 'created', 'implement', null, 'holdfast start 3'],
    ],
  );
  const of = JSON.parse((await run(world, ['status', '1', '--json'])).stdout) as Record<string, unknown>;
  assert.deepEqual([of['state'], of['pendingAttempt'], of['recovery']], ['ready', null, null]);
  await readFile(String(of['lastDurableArtifact']));

  const before = await settledHome(world.home.root);
  assert.ok(Object.keys(before).length > 20);
  for (const words of LOOKS) {
    const { code, stderr } = await run(world, words);
    assert.ok(code === 0 || code === 8, `${words.join(' ')}: ${code} ${stderr}`);
  }
  assert.deepEqual(await hashHome(world.home.root), before);

  await world.kill();
  const down = await hashHome(world.home.root);
  for (const words of DOWN) {
    const { code } = await run(world, words);
    assert.ok(words[0] === 'doctor' || code === 6, `${words.join(' ')}: ${code}`);
  }
  assert.deepEqual(await hashHome(world.home.root), down);
});
