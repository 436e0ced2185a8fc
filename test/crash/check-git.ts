import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { workspaceParts } from '../../src/lifecycle/job-workspace.ts';
import { git } from '../support/repository.ts';
import type { World } from '../support/world.ts';
import { isFull } from './size.ts';
import type { StoppedHome } from './stopped-home.ts';

/** Workspaces looked at in a run of every change; looking costs a process each. */
const SAMPLE = 3;

/**
 * G3: what git keeps for this world is whole, and nothing in it is locked by somebody who is gone. To be called when no
 * job is at work.
 */
export async function checkGit(world: World, home: StoppedHome): Promise<void> {
  const ready = home.jobs
    .filter((job) => job.workspaceState === 'ready')
    .flatMap((job) => workspaceParts(world.home, job).map(({ directory }) => directory));
  const workspaces = isFull ? ready : ready.slice(0, SAMPLE);
  // A job that was cancelled while its mirror was made for the first time leaves none.
  const ids = await readdir(world.home.repos);
  const mirrors = ids.map((id) => world.home.mirror(id)).filter((path) => existsSync(path));
  for (const [directory, gitDirectory] of [
    ...workspaces.map((path) => [path, join(path, '.git')] as const),
    ...mirrors.map((path) => [path, path] as const),
  ]) {
    await git(directory, 'fsck', '--connectivity-only', '--no-dangling');
    const files = await readdir(gitDirectory, { recursive: true });
    assert.deepEqual(
      files.filter((file) => file.endsWith('.lock')),
      [],
      `locks in ${gitDirectory}`,
    );
  }
}
