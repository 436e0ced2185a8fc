import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { harvestWork } from './harvest.ts';
import { mergeCandidate, type MergeOutcome } from './merge-candidate.ts';
import { updateMirror } from './mirror.ts';
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
  mergeCandidate({ op: 'job_1.1', ...world, base, candidate, message: 'Merge job 1', ref: REF });

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

  it('of what the base has already is empty', async () => {
    await using place = makePlace();
    const world = await makeWorld(place);
    const candidate = await makeCandidate(world, { 'a.txt': 'a\n' });
    assert.equal((await merge(world, candidate, candidate)).kind, 'empty');
    const base = await advanceSource(world, { 'a.txt': 'a\n' });
    assert.equal((await merge(world, base, candidate)).kind, 'empty');
  });
});
