import assert from 'node:assert/strict';
import { chmodSync, existsSync, linkSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { harvestWork, type Harvest } from './harvest.ts';
import {
  commitFiles,
  makePlace,
  makeRepository,
  makeWorld,
  plainGit,
  runPlain,
  writeFiles,
  type World,
} from './repository.fixture.ts';

const REF = 'refs/holdfast/job_1/candidate-2';

const harvest = (world: World): Promise<Harvest> =>
  harvestWork({ ...world, baseCommit: world.base, ref: REF, op: 'op_3' });

function kept(world: World): string {
  return plainGit(world.mirrorDir, 'for-each-ref', '--format=%(objectname)', REF).trim();
}

async function expectUnusable(world: World, why: RegExp): Promise<void> {
  const found = await harvest(world);
  assert.ok(found.kind === 'unusable', `it is ${found.kind}`);
  assert.match(found.why, why);
  assert.equal(kept(world), '');
}

describe('harvest', () => {
  it('takes the commits of the agent into the mirror, history and all, whatever becomes of the workspace', async () => {
    await using place = makePlace();
    const world = await makeWorld(place);
    const first = commitFiles(world.workspaceDir, { 'a.txt': 'a\n' });
    const second = commitFiles(world.workspaceDir, { 'b/c.txt': 'c\n' });
    const found = await harvest(world);
    assert.ok(found.kind === 'committed');
    assert.deepEqual([found.commit, found.commits, found.branch], [second, 2, 'holdfast/job-1']);
    rmSync(world.workspaceDir, { recursive: true });
    assert.equal(kept(world), second);
    assert.equal(plainGit(world.mirrorDir, 'rev-parse', `${second}^`).trim(), first);
    assert.equal(plainGit(world.mirrorDir, 'show', `${second}:b/c.txt`), 'c\n');
    plainGit(world.mirrorDir, 'fsck', '--strict', '--no-dangling');
  });

  it('can be repeated, and follows the branch', async () => {
    await using place = makePlace();
    const world = await makeWorld(place);
    commitFiles(world.workspaceDir, { 'a.txt': 'a\n' });
    assert.deepEqual(await harvest(world), await harvest(world));
    plainGit(world.workspaceDir, 'checkout', '-q', '-b', 'other/name');
    const next = commitFiles(world.workspaceDir, { 'a.txt': 'b\n' });
    const found = await harvest(world);
    assert.ok(found.kind === 'committed' && found.branch === 'other/name');
    assert.equal(kept(world), next);
  });

  it('finds commits of a branch that was packed, and of a HEAD without one', async () => {
    await using place = makePlace();
    const world = await makeWorld(place);
    const commit = commitFiles(world.workspaceDir, { 'a.txt': 'a\n' });
    plainGit(world.workspaceDir, 'pack-refs', '--all');
    plainGit(world.workspaceDir, 'gc', '-q');
    assert.ok((await harvest(world)).kind === 'committed');
    plainGit(world.workspaceDir, 'checkout', '-q', '--detach');
    const found = await harvest(world);
    assert.ok(found.kind === 'committed' && found.branch === null && found.commit === commit);
  });

  it('tells changes that are in no commit, the same ones by the same hash', async () => {
    await using place = makePlace();
    const world = await makeWorld(place);
    writeFiles(world.workspaceDir, { 'left.txt': 'left\n' });
    const before = await harvest(world);
    assert.ok(before.kind === 'uncommitted');
    plainGit(world.workspaceDir, 'commit', '-q', '--allow-empty', '-m', 'nothing');
    assert.deepEqual(await harvest(world), before);
    writeFiles(world.workspaceDir, { 'left.txt': 'other\n' });
    const after = await harvest(world);
    assert.ok(after.kind === 'uncommitted' && after.diffSha256 !== before.diffSha256);
    assert.equal(kept(world), '');
  });

  it('counts a staged, a deleted and a mode change as uncommitted, and an ignored file as nothing', async () => {
    await using place = makePlace();
    const world = await makeWorld(place, { '.gitignore': 'out/\n', 'run.sh': '#!/bin/sh\n' });
    writeFiles(world.workspaceDir, { 'out/cache': 'x\n' });
    assert.equal((await harvest(world)).kind, 'empty');
    chmodSync(join(world.workspaceDir, 'run.sh'), 0o755);
    assert.equal((await harvest(world)).kind, 'uncommitted');
    chmodSync(join(world.workspaceDir, 'run.sh'), 0o644);
    rmSync(join(world.workspaceDir, 'run.sh'));
    assert.equal((await harvest(world)).kind, 'uncommitted');
  });

  it('takes an ignored file that was committed on purpose', async () => {
    await using place = makePlace();
    const world = await makeWorld(place, { '.gitignore': 'out/\n' });
    writeFiles(world.workspaceDir, { 'out/kept': 'x\n' });
    plainGit(world.workspaceDir, 'add', '-f', 'out/kept');
    plainGit(world.workspaceDir, 'commit', '-q', '-m', 'forced');
    assert.equal((await harvest(world)).kind, 'committed');
  });

  it('work that was taken back is none', async () => {
    await using place = makePlace();
    const world = await makeWorld(place);
    commitFiles(world.workspaceDir, { 'a.txt': 'a\n' });
    plainGit(world.workspaceDir, 'revert', '--no-edit', 'HEAD');
    assert.equal((await harvest(world)).kind, 'empty');
  });

  it('runs nothing of the agent: no hook, filter, monitor or alternate of its configuration', async () => {
    await using place = makePlace();
    const world = await makeWorld(place);
    commitFiles(world.workspaceDir, { 'a.txt': 'a\n', '.gitattributes': '* filter=evil diff=evil\n' });
    const trap = place.path('trap');
    const script = place.path('evil.sh');
    writeFileSync(script, `#!/bin/sh\necho x >> ${trap}\ncat\n`, { mode: 0o755 });
    const names = [
      'core.fsmonitor',
      'filter.evil.clean',
      'filter.evil.smudge',
      'diff.evil.textconv',
      'uploadpack.packObjectsHook',
    ];
    for (const name of names) plainGit(world.workspaceDir, 'config', name, script);
    rmSync(trap, { force: true });
    await harvest(world);
    assert.equal(existsSync(trap), false);
  });
});

describe('what cannot be handed on', () => {
  it('a history rewritten below its base', async () => {
    await using place = makePlace();
    const world = await makeWorld(place);
    plainGit(world.workspaceDir, 'checkout', '-q', '--orphan', 'fresh');
    commitFiles(world.workspaceDir, { 'a.txt': 'a\n' });
    await expectUnusable(world, /does not stand on/);
  });

  it('a repository that is gone, or was swapped for a link', async () => {
    await using place = makePlace();
    const world = await makeWorld(place);
    const git = join(world.workspaceDir, '.git');
    renameSync(git, place.path('moved'));
    await expectUnusable(world, /\.git is missing/);
    symlinkSync(place.path('moved'), git);
    await expectUnusable(world, /symlink/);
  });

  it('a branch reached through a link, or with a name that leads elsewhere', async () => {
    await using place = makePlace();
    const world = await makeWorld(place);
    const other = place.path('other');
    const commit = makeRepository(other);
    writeFileSync(place.path('ref'), `${commit}\n`);
    const branch = join(world.workspaceDir, '.git', 'refs', 'heads', 'holdfast', 'job-1');
    rmSync(branch);
    symlinkSync(place.path('ref'), branch);
    await expectUnusable(world, /symlink/);
    rmSync(branch);
    linkSync(place.path('ref'), branch);
    await expectUnusable(world, /more than one name/);
    writeFileSync(join(world.workspaceDir, '.git', 'HEAD'), 'ref: refs/heads/../../../../ref\n');
    await expectUnusable(world, /names no branch/);
  });

  it('commits whose objects are missing or damaged', async () => {
    await using place = makePlace();
    const world = await makeWorld(place);
    const commit = commitFiles(world.workspaceDir, { 'a.txt': 'a\n' });
    const blob = plainGit(world.workspaceDir, 'rev-parse', `${commit}:a.txt`).trim();
    const path = join(world.workspaceDir, '.git', 'objects', blob.slice(0, 2), blob.slice(2));
    chmodSync(path, 0o644);
    rmSync(path);
    await expectUnusable(world, /missing or damaged/);
  });

  it('a repository inside, committed as a link: its files would be lost', async () => {
    await using place = makePlace();
    const world = await makeWorld(place);
    makeRepository(join(world.workspaceDir, 'inside'), { 'x.txt': 'x\n' });
    plainGit(world.workspaceDir, 'add', 'inside');
    plainGit(world.workspaceDir, 'commit', '-q', '-m', 'link');
    await expectUnusable(world, /inside its own as a link/);
  });

  it('a tree that would write into .git when it is checked out', async () => {
    await using place = makePlace();
    const world = await makeWorld(place);
    const make = [
      'blob=$(echo x | git hash-object -w --stdin)',
      'inner=$(printf "100755 blob $blob\tpost-checkout\n" | git mktree)',
      'outer=$(printf "040000 tree $inner\t.git\n" | git mktree)',
      'git update-ref HEAD $(git commit-tree -p HEAD -m evil $outer)',
    ];
    assert.equal(runPlain(world.workspaceDir, ['sh', '-ec', make.join('\n')]).status, 0);
    await expectUnusable(world, /git refuses its commits: .*\.git/);
  });
});
