/** Backups and restores as a user makes them, for the tests that break them. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import type { BackupView } from '../../src/api/contract/backup.ts';
import { homeLayout } from '../../src/lifecycle/home.ts';
import { start, type Finished } from '../e2e/command.ts';
import { until } from '../support/poll.ts';
import type { World } from '../support/world.ts';
import { readStoppedHome } from './stopped-home.ts';

/** Asks the server for a backup and waits for its end. */
export async function backUp(world: World, path: string): Promise<BackupView> {
  const answer = await world.api('POST', '/v1/backups', { path });
  assert.equal(answer.status, 202, JSON.stringify(answer.body));
  return awaitBackup(world, (answer.body as BackupView).id);
}

/** Waits until a backup is not being made any more. */
export async function awaitBackup(world: World, id: string): Promise<BackupView> {
  return until(`backup ${id} has ended`, async () => {
    const { body } = await world.api('GET', `/v1/backups/${id}?waitMs=1000`);
    return (body as BackupView).state === 'making' ? null : (body as BackupView);
  });
}

/** `holdfast restore`, in a process of its own. */
export async function restore(
  world: World,
  from: string,
  options: { home: string; failpoints?: string; args?: string[] },
): Promise<Finished> {
  const env = options.failpoints === undefined ? {} : { HOLDFAST_FAILPOINTS: options.failpoints };
  return start(world, ['restore', from, '--home', options.home, ...(options.args ?? [])], { env }).finish();
}

/** Asserts that nothing is left beside `path` that was made for it, whatever its name. */
export async function assertNothingBeside(path: string): Promise<void> {
  const names = await readdir(dirname(path));
  const left = names.filter((name) => name !== basename(path) && name.includes(basename(path)));
  assert.deepEqual(left, []);
}

/**
 * Restores through a crash at a point: before the last step nothing has the name of the home, after it all of it has; a
 * second restore makes it, or finds that it is there.
 */
export async function restoreThroughCrash(
  world: World,
  from: string,
  { home, point }: { home: string; point: string },
): Promise<void> {
  const died = await restore(world, from, { home, failpoints: `${point}:crash` });
  assert.equal(died.code, null, `${point} did not end it: ${died.stderr}`);
  const isThere = point === 'restore.after-rename';
  assert.equal(existsSync(home), isThere, point);
  const again = await restore(world, from, { home });
  if (isThere) assert.match(again.stderr, /home-not-empty/);
  else assert.equal(again.code, 0, again.stderr);
  await assertNothingBeside(home);
  const { check, jobs, attempts } = await readStoppedHome(homeLayout(home));
  assert.deepEqual([check.corrupt, check.witness], [[], null]);
  const live = [...attempts.values()].flat().filter((one) => one.endedAt === null);
  assert.deepEqual(live, []);
  assert.ok(jobs.every(({ state }) => !['waiting', 'queued', 'preparing', 'running'].includes(state)));
}
