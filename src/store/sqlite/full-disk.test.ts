/** A really full disk: a small tmpfs in a mount namespace of its own, where this machine lets us make one. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { it } from 'node:test';
import type { StoreCheck } from '../store.ts';
import { makeScratch } from './harness.fixture.ts';

const CHILD = new URL('./full-disk-child.fixture.ts', import.meta.url).pathname;
const MOUNT = 'mount -t tmpfs -o size=6m tmpfs "$1" && exec "$2" "$3" "$1/holdfast.db" "$1/ballast"';

interface Result {
  acknowledged: number;
  refused: string[];
  seqWhenFull: number;
  jobsWhenFull: number;
  checkWhenFull: StoreCheck;
  after: string[];
  lost: string[];
  check: StoreCheck;
}

function runOnSmallDisk(directory: string): ReturnType<typeof spawnSync> {
  const argv = ['--mount', 'sh', '-c', MOUNT, 'sh', directory, process.execPath, CHILD];
  return spawnSync('unshare', argv, { encoding: 'utf8', timeout: 60_000 });
}

// Without the right to mount, the same is shown by group-commit.test.ts with a limit on the pages of the database.
const canMount = spawnSync('unshare', ['--mount', 'true']).status === 0;

if (canMount) {
  it('answers storage-full to the whole group, keeps nothing of it, and goes on when space returns', () => {
    using scratch = makeScratch();
    const run = runOnSmallDisk(scratch.directory);
    assert.equal(run.status, 0, String(run.stderr));
    const result = JSON.parse(String(run.stdout)) as Result;
    assert.ok(result.acknowledged >= 20, 'it worked before the disk was full');
    assert.deepEqual(new Set(result.refused), new Set(['storage-full']));
    assert.equal(result.refused.length, 10);
    assert.equal(result.seqWhenFull, result.jobsWhenFull + 1, 'one event per job and one for the repository');
    assert.equal(result.jobsWhenFull, result.acknowledged - 10);
    assert.deepEqual(result.checkWhenFull.corrupt, []);
    assert.ok(result.after.every((answer) => answer.startsWith('job_')));
    assert.deepEqual(result.lost, []);
    assert.deepEqual([result.check.corrupt, result.check.witness], [[], null]);
  });
}
