import assert from 'node:assert/strict';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  symlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { isError } from '../kernel/errors.ts';
import { sha256 } from '../kernel/hash.ts';
import { checkWorkspace } from './check-workspace.ts';
import { crashAt } from './crash.fixture.ts';
import { updateMirror } from './mirror.ts';
import { saveTree } from './observe.ts';
import { prepareWorkspace, type PrepareWorkspaceRequest } from './prepare-workspace.ts';
import {
  commitFiles,
  listFiles,
  makePlace,
  makeRepository,
  makeWorld,
  plainGit,
  runPlain,
  writeFiles,
  type Place,
  type World,
} from './repository.fixture.ts';

function request(world: World, place: Place, more: Partial<PrepareWorkspaceRequest> = {}): PrepareWorkspaceRequest {
  const workspaceDir = place.path('jobs/k/workspace');
  return { ...world, workspaceDir, baseCommit: world.base, branch: 'holdfast/job-2', op: 'op_5', ...more };
}

function assertWhole(workspaceDir: string, base: string): void {
  assert.equal(plainGit(workspaceDir, 'status', '--porcelain'), '');
  assert.equal(plainGit(workspaceDir, 'rev-parse', 'HEAD').trim(), base);
  const fsck = runPlain(workspaceDir, ['git', 'fsck', '--full', '--strict']);
  assert.equal(fsck.status, 0, fsck.stderr + fsck.stdout);
}

function sums(root: string): Record<string, string> {
  return Object.fromEntries(listFiles(root).map((name) => [name, sha256(readFileSync(join(root, name)))]));
}

describe('prepareWorkspace', () => {
  for (const method of ['copy', 'clone', undefined] as const) {
    it(`makes a repository that shares nothing with the mirror (${method ?? 'the best way here'})`, async () => {
      await using place = makePlace();
      const world = await makeWorld(place, { 'src/a.txt': 'a', 'run.sh': '#!/bin/sh\n' });
      plainGit(world.source, 'branch', 'feature/x');
      plainGit(world.source, 'tag', 'v1');
      await updateMirror({ ...world, sourceKind: 'path', op: 'op_3', base: 'main' });
      const wanted = request(world, place, { method, sourceUrl: world.source });
      const made = await prepareWorkspace(wanted);
      assert.equal(made.kept, false);
      if (method !== undefined) assert.equal(made.method, method);
      const { workspaceDir } = wanted;
      assertWhole(workspaceDir, world.base);
      assert.equal(plainGit(workspaceDir, 'symbolic-ref', 'HEAD').trim(), 'refs/heads/holdfast/job-2');
      assert.match(plainGit(workspaceDir, 'branch', '-a'), /remotes\/origin\/feature\/x/);
      assert.equal(plainGit(workspaceDir, 'tag').trim(), 'v1');
      assert.equal(plainGit(workspaceDir, 'remote', 'get-url', 'origin').trim(), world.source);
      const linked = listFiles(workspaceDir).filter((name) => lstatSync(join(workspaceDir, name)).nlink !== 1);
      assert.deepEqual(linked, []);
      assert.ok(!existsSync(join(workspaceDir, '.git/objects/info/alternates')));
      assert.ok(!existsSync(join(workspaceDir, '.git/hooks')));
      assert.doesNotMatch(readFileSync(join(workspaceDir, '.git/config'), 'utf8'), /mirror\.git/);
      assert.equal(await checkWorkspace(workspaceDir, world.mirrorDir), null);
    });
  }

  it('cannot change the mirror, whatever is written into the objects of the workspace', async () => {
    await using place = makePlace();
    const world = await makeWorld(place, { 'src/a.txt': 'a'.repeat(5000) });
    const before = sums(world.mirrorDir);
    const { workspaceDir } = world;
    commitFiles(workspaceDir, { more: 'x' });
    plainGit(workspaceDir, 'gc', '-q', '--prune=now');
    const objects = join(workspaceDir, '.git/objects');
    const damaged = listFiles(objects);
    assert.ok(damaged.length > 0);
    for (const name of damaged) {
      chmodSync(join(objects, name), 0o600);
      appendFileSync(join(objects, name), 'damage');
    }
    assert.deepEqual(sums(world.mirrorDir), before);
    assert.equal(runPlain(world.mirrorDir, ['git', 'fsck', '--full']).status, 0);
  });

  it('lets an agent commit, but push nowhere', async () => {
    await using place = makePlace();
    const world = await makeWorld(place);
    const wanted = request(world, place, { sourceUrl: world.source });
    await prepareWorkspace(wanted);
    writeFiles(wanted.workspaceDir, { more: 'x' });
    const bare = ['env', '-u', 'GIT_AUTHOR_NAME', '-u', 'GIT_AUTHOR_EMAIL', '-u', 'GIT_COMMITTER_NAME'];
    bare.push('-u', 'GIT_COMMITTER_EMAIL', 'git');
    plainGit(wanted.workspaceDir, 'add', '.');
    assert.equal(runPlain(wanted.workspaceDir, [...bare, 'commit', '-qm', 'work']).status, 0);
    const push = runPlain(wanted.workspaceDir, ['git', 'push', 'origin', 'HEAD:refs/heads/theirs']);
    assert.notEqual(push.status, 0);
    assert.match(push.stderr, /disabled/);
    assert.equal(plainGit(world.source, 'branch', '--list', 'theirs'), '');
  });

  it('keeps a workspace that is there, with the work in it', async () => {
    await using place = makePlace();
    const world = await makeWorld(place);
    writeFiles(world.workspaceDir, { 'work.txt': 'done' });
    mkdirSync(`${world.workspaceDir}.op_0/.git`, { recursive: true });
    const again = await prepareWorkspace(request(world, place, { workspaceDir: world.workspaceDir }));
    assert.equal(again.kept, true);
    assert.equal(readFileSync(join(world.workspaceDir, 'work.txt'), 'utf8'), 'done');
    assert.deepEqual(readdirSync(place.path('jobs/j')), ['workspace']);
  });

  it('refuses one that was swapped, and names that cannot be right', async () => {
    await using place = makePlace();
    const world = await makeWorld(place);
    mkdirSync(place.path('jobs/k'));
    symlinkSync(world.workspaceDir, place.path('jobs/k/workspace'));
    await assert.rejects(prepareWorkspace(request(world, place)), (error) => isError(error, 'workspace-unsafe'));
    for (const branch of ['--upload-pack=x', '-f', 'a..b']) {
      await assert.rejects(prepareWorkspace(request(world, place, { branch })), (error) => isError(error, 'bad-name'));
    }
    const baseCommit = '--output=canary';
    await assert.rejects(prepareWorkspace(request(world, place, { baseCommit })), (error) =>
      isError(error, 'internal'),
    );
  });

  it('does not hand the saved trees of one job to another, and is whole all the same', async () => {
    await using place = makePlace();
    const world = await makeWorld(place);
    writeFiles(world.workspaceDir, { 'private.txt': 'of job j' });
    const ref = 'refs/holdfast/job_j/attempt-1';
    const saved = await saveTree({ ...world, ref, message: 'saved', parent: world.base });
    // The operator merges that very commit into the source: now the mirror has it already when it fetches.
    const wanted = request(world, place);
    await prepareWorkspace(wanted);
    assert.notEqual(runPlain(wanted.workspaceDir, ['git', 'cat-file', '-e', saved]).status, 0);
    plainGit(world.source, 'fetch', '-q', world.mirrorDir, ref);
    plainGit(world.source, 'merge', '-q', 'FETCH_HEAD');
    const base = commitFiles(world.source, { later: 'y' });
    await updateMirror({ ...world, sourceKind: 'path', op: 'op_3', base: 'main' });
    const workspaceDir = place.path('jobs/l/workspace');
    await prepareWorkspace(request(world, place, { workspaceDir, baseCommit: base }));
    assertWhole(workspaceDir, base);
    assert.equal(readFileSync(join(workspaceDir, 'private.txt'), 'utf8'), 'of job j');
  });

  it('starts from a commit that is on no branch any more', async () => {
    await using place = makePlace();
    const world = await makeWorld(place);
    const base = commitFiles(world.source, { lost: 'x' });
    await updateMirror({ ...world, sourceKind: 'path', op: 'op_3', base: 'main' });
    plainGit(world.source, 'reset', '-q', '--hard', world.base);
    await updateMirror({ ...world, sourceKind: 'path', op: 'op_4', base: 'main' });
    for (const method of ['copy', 'clone'] as const) {
      const workspaceDir = place.path('jobs', method, 'workspace');
      await prepareWorkspace(request(world, place, { workspaceDir, baseCommit: base, method }));
      assertWhole(workspaceDir, base);
    }
  });

  it('takes other object formats, history that was cut off, and many refs', async () => {
    await using place = makePlace();
    const source = place.path('source');
    plainGit(place.root, 'init', '-q', '-b', 'main', '--object-format=sha256', 'source');
    const base = commitFiles(source, { a: 'x' });
    for (let n = 0; n < 120; n++) plainGit(source, 'update-ref', `refs/heads/many/${n}`, base);
    const mirrorDir = place.path('repos/r/mirror.git');
    await updateMirror({ mirrorDir, source, sourceKind: 'path', op: 'op_1', base: 'main' });
    makeRepository(place.path('long'));
    const tip = commitFiles(place.path('long'), { b: 'y' });
    plainGit(place.root, 'clone', '-q', '--depth=1', `file://${place.path('long')}`, 'short');
    const shortMirror = place.path('repos/s/mirror.git');
    const short = place.path('short');
    await updateMirror({ mirrorDir: shortMirror, source: short, sourceKind: 'path', op: 'op_1', base: 'main' });
    for (const method of ['copy', 'clone'] as const) {
      const common = { branch: 'holdfast/x', op: 'op_2', method };
      const first = place.path('jobs', `1${method}`, 'workspace');
      await prepareWorkspace({ ...common, mirrorDir, workspaceDir: first, baseCommit: base });
      assertWhole(first, base);
      assert.equal(plainGit(first, 'branch', '-r').trim().split('\n').length, 121);
      const second = place.path('jobs', `2${method}`, 'workspace');
      await prepareWorkspace({ ...common, mirrorDir: shortMirror, workspaceDir: second, baseCommit: tip });
      assertWhole(second, tip);
    }
  });

  it('leaves submodules alone', async () => {
    await using place = makePlace();
    const source = place.path('source');
    const first = makeRepository(source);
    writeFiles(source, { '.gitmodules': '[submodule "x"]\n\tpath = x\n\turl = ../other\n' });
    plainGit(source, 'add', '.gitmodules');
    plainGit(source, 'update-index', '--add', '--cacheinfo', `160000,${first},x`);
    plainGit(source, 'commit', '-qm', 'submodule');
    const base = plainGit(source, 'rev-parse', 'HEAD').trim();
    const mirrorDir = place.path('repos/r/mirror.git');
    await updateMirror({ mirrorDir, source, sourceKind: 'path', op: 'op_1', base: 'main' });
    const workspaceDir = place.path('jobs/j/workspace');
    await prepareWorkspace({ mirrorDir, workspaceDir, baseCommit: base, branch: 'holdfast/x', op: 'op_2' });
    assert.deepEqual(readdirSync(join(workspaceDir, 'x')), []);
    assert.ok(!existsSync(join(workspaceDir, '.git/modules')));
  });
});

describe('a server killed while it makes a workspace', () => {
  for (const point of ['workspace.before-clone', 'workspace.before-rename', 'workspace.after-rename'] as const) {
    it(`at ${point} leaves a whole one or none`, async () => {
      await using place = makePlace();
      const world = await makeWorld(place);
      const wanted = request(world, place);
      crashAt(point, { do: 'prepareWorkspace', with: wanted });
      assert.equal(existsSync(wanted.workspaceDir), point === 'workspace.after-rename');
      const again = await prepareWorkspace({ ...wanted, op: 'op_6' });
      assert.equal(again.kept, point === 'workspace.after-rename');
      assert.deepEqual(readdirSync(place.path('jobs/k')), ['workspace']);
      assertWhole(wanted.workspaceDir, world.base);
    });
  }
});
