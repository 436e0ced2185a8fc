import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { harvestWork, type Harvest } from './harvest.ts';
import { commitFiles, makePlace, makeWorld, plainGit, writeFiles, type World } from './repository.fixture.ts';

async function harvest(world: World): Promise<Harvest> {
  return harvestWork({ ...world, baseCommit: world.base, ref: 'refs/holdfast/job_1/candidate-1', op: 'op_4' });
}

async function whyUnusable(world: World): Promise<string> {
  const found = await harvest(world);
  assert.ok(found.kind === 'unusable', found.kind);
  return found.why;
}

describe('work beside the branch an agent is on', () => {
  it('is named, on a branch of its own, also a packed one', async () => {
    await using place = makePlace();
    const world = await makeWorld(place);
    plainGit(world.workspaceDir, 'switch', '-q', '-c', 'mine/deep');
    commitFiles(world.workspaceDir, { 'a.txt': 'a\n' });
    plainGit(world.workspaceDir, 'switch', '-q', 'holdfast/job-1');
    assert.match(await whyUnusable(world), /its work is in branch mine\/deep, not on the branch it is on/);
    plainGit(world.workspaceDir, 'pack-refs', '--all');
    assert.match(await whyUnusable(world), /mine\/deep/);
  });

  it('is named in a stash', async () => {
    await using place = makePlace();
    const world = await makeWorld(place);
    writeFiles(world.workspaceDir, { 'README.md': 'changed\n' });
    plainGit(world.workspaceDir, 'stash', '-q');
    assert.match(await whyUnusable(world), /its work is in a stash/);
  });

  it('is none where the source has the branch, or where it was merged', async () => {
    await using place = makePlace();
    const world = await makeWorld(place);
    plainGit(world.workspaceDir, 'branch', 'same');
    assert.equal((await harvest(world)).kind, 'empty');
    plainGit(world.workspaceDir, 'switch', '-q', '-c', 'side');
    commitFiles(world.workspaceDir, { 'a.txt': 'a\n' });
    plainGit(world.workspaceDir, 'switch', '-q', 'holdfast/job-1');
    plainGit(world.workspaceDir, 'merge', '-q', '--ff-only', 'side');
    assert.equal((await harvest(world)).kind, 'committed');
  });
});
