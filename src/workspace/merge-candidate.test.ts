import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { harvestWork } from './harvest.ts';
import { mergeCandidate, type MergeOutcome } from './merge-candidate.ts';
import { updateMirror } from './mirror.ts';
import { prepareWorkspace } from './prepare-workspace.ts';
import { commitFiles, makePlace, makeWorld, plainGit, type World } from './repository.fixture.ts';

const REF = 'refs/holdfast/job_1/merge-1';

/** Commits `files` in the workspace and takes the commit into the mirror. */
async function makeCandidate(world: World, files: Record<string, string>): Promise<string> {
  commitFiles(world.workspaceDir, files);
  const found = await harvestWork({
    ...world,
    baseCommit: world.base,
    ref: 'refs/holdfast/job_1/candidate-1',
    op: 'op_4',
  });
  assert.ok(found.kind === 'committed');
  return found.commit;
}

/** Commits `files` in the source and fetches them. */
async function advanceSource(world: World, files: Record<string, string>): Promise<string> {
  commitFiles(world.source, files);
  const { mirrorDir, source } = world;
  return (await updateMirror({ mirrorDir, source, sourceKind: 'path', op: 'op_5', base: 'main' })).head;
}

const merge = (world: World, base: string, candidate: string): Promise<MergeOutcome> =>
  mergeCandidate({ op: 'job_1.1', ...world, base, candidate, begunAt: world.base, message: 'Merge job 1', ref: REF });

describe('a merge in the mirror', () => {
  it('is the candidate itself while the base has not moved', async () => {
    await using place = makePlace();
    const world = await makeWorld(place);
    const candidate = await makeCandidate(world, { 'a.txt': 'a\n' });
    assert.deepEqual(await merge(world, world.base, candidate), {
      kind: 'merged',
      commit: candidate,
      fastForward: true,
    });
  });

  it('joins both sides, is kept, and can be repeated', async () => {
    await using place = makePlace();
    const world = await makeWorld(place);
    const candidate = await makeCandidate(world, { 'a.txt': 'a\n' });
    const base = await advanceSource(world, { 'b.txt': 'b\n' });
    const outcome = await merge(world, base, candidate);
    assert.ok(outcome.kind === 'merged' && !outcome.fastForward);
    assert.equal(plainGit(world.mirrorDir, 'rev-parse', REF).trim(), outcome.commit);
    const parents = plainGit(world.mirrorDir, 'show', '-s', '--format=%P', outcome.commit).trim();
    assert.equal(parents, `${base} ${candidate}`);
    const names = plainGit(world.mirrorDir, 'ls-tree', '--name-only', outcome.commit).trim().split('\n');
    assert.deepEqual(names, ['README.md', 'a.txt', 'b.txt']);
    assert.ok((await merge(world, base, candidate)).kind === 'merged');
  });

  it('names the paths of a conflict, also with strange names, and moves nothing', async () => {
    await using place = makePlace();
    const world = await makeWorld(place, { 'same file.txt': 'old\n', 'gone.txt': 'x\n' });
    const candidate = await makeCandidate(world, { 'same file.txt': 'mine\n', 'new\nline': 'a\n' });
    const base = await advanceSource(world, { 'same file.txt': 'yours\n', 'new\nline': 'b\n' });
    const outcome = await merge(world, base, candidate);
    assert.ok(outcome.kind === 'conflict');
    assert.deepEqual(outcome.paths.toSorted(), ['new\nline', 'same file.txt']);
    assert.match(outcome.text, /CONFLICT \(content\).*same file\.txt/);
    assert.equal(plainGit(world.mirrorDir, 'for-each-ref', REF), '');
  });

  it('on a base that was rewritten is one commit of its own changes: what was dropped does not come back', async () => {
    await using place = makePlace();
    const world = await makeWorld(place, { 'kept.txt': 'x\n' });
    const first = world.base;
    const dropped = await advanceSource(world, { 'secret.txt': 's\n' });
    const later = { ...world, base: dropped, workspaceDir: place.path('jobs', 'k', 'workspace') };
    await prepareWorkspace({ ...later, baseCommit: dropped, branch: 'holdfast/job-2', op: 'op_6' });
    const candidate = await makeCandidate(later, { 'a.txt': 'a\n' });
    plainGit(world.source, 'reset', '-q', '--hard', first);
    const clash = async (files: Record<string, string> | null): Promise<MergeOutcome> => {
      if (files !== null) await advanceSource(world, files);
      const { mirrorDir, source } = world;
      const { head } = await updateMirror({ mirrorDir, source, sourceKind: 'path', op: 'op_7', base: 'main' });
      return merge(later, head, candidate);
    };
    const outcome = await clash(null);
    assert.ok(outcome.kind === 'merged' && !outcome.fastForward);
    assert.equal(plainGit(world.mirrorDir, 'show', '-s', '--format=%P', outcome.commit).trim(), first);
    const names = plainGit(world.mirrorDir, 'ls-tree', '--name-only', outcome.commit).trim().split('\n');
    assert.deepEqual(names, ['a.txt', 'kept.txt']);
    const conflict = await clash({ 'a.txt': 'another\n' });
    assert.ok(conflict.kind === 'conflict' && conflict.rewritten);
    assert.deepEqual(conflict.paths, ['a.txt']);
  });

  it('of what the base has already is empty', async () => {
    await using place = makePlace();
    const world = await makeWorld(place);
    const candidate = await makeCandidate(world, { 'a.txt': 'a\n' });
    assert.equal((await merge(world, candidate, candidate)).kind, 'empty');
    const base = await advanceSource(world, { 'a.txt': 'a\n' });
    assert.equal((await merge(world, base, candidate)).kind, 'empty');
  });
});
