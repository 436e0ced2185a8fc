import assert from 'node:assert/strict';
import { chmodSync, existsSync, lstatSync, readFileSync, readlinkSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { crashAt } from './crash.fixture.ts';
import { discardWorkspace } from './discard-workspace.ts';
import { diffWorkspace, saveTree, type SaveTreeRequest } from './observe.ts';
import { prepareWorkspace, type PrepareWorkspaceRequest } from './prepare-workspace.ts';
import { makePlace, makeWorld, plainGit, writeFiles, type Place, type World } from './repository.fixture.ts';

const FILES = {
  'kept.txt': 'kept\n',
  'gone.txt': 'x\n',
  'changed.sh': 'old\n',
  'dir/a': 'a\n',
  '.gitignore': '*.log\n',
};

/** What an agent may leave: a commit, changes, deletions, new files of every kind. */
async function makeWork(place: Place): Promise<World> {
  const world = await makeWorld(place, FILES);
  const { workspaceDir } = world;
  writeFiles(workspaceDir, { 'committed.txt': 'committed\n' });
  plainGit(workspaceDir, 'add', '-A');
  plainGit(workspaceDir, 'commit', '-q', '-m', 'work');
  writeFiles(workspaceDir, {
    'changed.sh': 'new\n',
    'new/deep/file': 'n\n',
    'debug.log': 'ignored\n',
    'a b\n': 'odd\n',
  });
  chmodSync(join(workspaceDir, 'changed.sh'), 0o755);
  rmSync(join(workspaceDir, 'gone.txt'));
  rmSync(join(workspaceDir, 'dir'), { recursive: true });
  symlinkSync('kept.txt', join(workspaceDir, 'dir'));
  return world;
}

function saving(world: World): SaveTreeRequest {
  const { mirrorDir, workspaceDir, base } = world;
  return {
    mirrorDir,
    workspaceDir,
    parent: base,
    ref: 'refs/holdfast/job_a/attempt-1',
    message: 'm',
    op: 'op_3',
    whole: true,
  };
}

function preparing(world: World, commit: string): PrepareWorkspaceRequest {
  const { mirrorDir, workspaceDir, base } = world;
  return { mirrorDir, workspaceDir, baseCommit: base, branch: 'holdfast/job-1', op: 'op_5', restore: commit };
}

describe('a workspace that went', () => {
  it('comes back as it was saved, on its branch, with everything uncommitted', async () => {
    await using place = makePlace();
    const world = await makeWork(place);
    const { workspaceDir, mirrorDir, base } = world;
    const before = await diffWorkspace({ mirrorDir, workspaceDir, baseCommit: base });
    const commit = await saveTree(saving(world));
    await discardWorkspace({ workspaceDir, removalsDir: place.path('removals'), op: 'op_4' });
    assert.deepEqual(await prepareWorkspace(preparing(world, commit)), { method: 'copy', kept: false });
    assert.equal(await diffWorkspace({ mirrorDir, workspaceDir, baseCommit: base }), before);
    assert.equal(readFileSync(join(workspaceDir, 'changed.sh'), 'utf8'), 'new\n');
    assert.equal(lstatSync(join(workspaceDir, 'changed.sh')).mode & 0o111, 0o111);
    assert.equal(readlinkSync(join(workspaceDir, 'dir')), 'kept.txt');
    assert.equal(existsSync(join(workspaceDir, 'gone.txt')), false);
    assert.equal(existsSync(join(workspaceDir, 'debug.log')), false, 'ignored files are not saved');
    assert.equal(plainGit(workspaceDir, 'rev-parse', 'HEAD').trim(), base);
    assert.equal(plainGit(workspaceDir, 'branch', '--show-current').trim(), 'holdfast/job-1');
    assert.equal(plainGit(workspaceDir, 'diff', '--cached', '--name-only'), '');
    assert.match(plainGit(workspaceDir, 'status', '--porcelain'), /^ M changed\.sh$/m);
    assert.equal(existsSync(join(workspaceDir, '.git', 'index.restore')), false);
    plainGit(workspaceDir, 'fsck', '--strict');
    // What is saved of it next is the same again.
    assert.equal(await saveTree(saving(world)), commit);
  });

  for (const point of ['workspace.before-restore', 'workspace.after-restore'] as const) {
    it(`killed at ${point}: it has no name yet, and is made whole when that is repeated`, async () => {
      await using place = makePlace();
      const world = await makeWork(place);
      const { workspaceDir, mirrorDir, base } = world;
      const before = await diffWorkspace({ mirrorDir, workspaceDir, baseCommit: base });
      const commit = await saveTree(saving(world));
      await discardWorkspace({ workspaceDir, removalsDir: place.path('removals'), op: 'op_4' });
      crashAt(point, { do: 'prepareWorkspace', with: preparing(world, commit) });
      assert.equal(existsSync(workspaceDir), false);
      await prepareWorkspace(preparing(world, commit));
      assert.equal(await diffWorkspace({ mirrorDir, workspaceDir, baseCommit: base }), before);
    });
  }

  it('is not saved as whole when a repository inside it would lose its history', async () => {
    await using place = makePlace();
    const world = await makeWorld(place);
    plainGit(place.root, 'init', '-q', join(world.workspaceDir, 'inner'));
    writeFiles(world.workspaceDir, { 'inner/file': 'x' });
    await assert.rejects(saveTree(saving(world)), { code: 'workspace-unsafe', message: /inner\/ is a repository/ });
    await saveTree({ ...saving(world), whole: false });
  });
});
