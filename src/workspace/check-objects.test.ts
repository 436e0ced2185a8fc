/** Damaged and missing objects are named, by git's own check; an agent's settings have no say in it. */
import assert from 'node:assert/strict';
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isError } from '../kernel/errors.ts';
import { checkMirrorObjects, checkWorkspaceObjects, measureObjects } from './check-objects.ts';
import { commitFiles, listFiles, makePlace, makeWorld, plainGit, type World } from './repository.fixture.ts';

function check(world: World): Promise<string[]> {
  return checkWorkspaceObjects({ directory: world.workspaceDir, mirrorDir: world.mirrorDir, baseCommit: world.base });
}

/** Path of a loose object. */
function pathOf(gitDir: string, oid: string): string {
  return join(gitDir, 'objects', oid.slice(0, 2), oid.slice(2));
}

test('the objects of a mirror and of a workspace: whole, damaged, gone', async () => {
  await using place = makePlace();
  const world = await makeWorld(place);
  assert.deepEqual([await checkMirrorObjects(world.mirrorDir), await check(world)], [[], []]);
  assert.deepEqual(await checkMirrorObjects(world.mirrorDir, { contents: false }), []);

  const git = join(world.workspaceDir, '.git');
  const made = commitFiles(world.workspaceDir, { 'new.txt': 'new\n' });
  const blob = plainGit(world.workspaceDir, 'rev-parse', 'HEAD:new.txt').trim();
  assert.deepEqual(await check(world), [], 'what an agent committed is whole');
  const path = pathOf(git, blob);
  const bytes = readFileSync(path);
  chmodSync(path, 0o644);
  writeFileSync(path, bytes.subarray(0, bytes.length - 4));
  assert.match((await check(world)).join('\n'), new RegExp(blob));
  rmSync(path);
  assert.match((await check(world)).join('\n'), new RegExp(`missing blob ${blob}`));
  writeFileSync(path, bytes);
  assert.deepEqual(await check(world), []);
  rmSync(pathOf(git, made));
  assert.match((await check(world)).join('\n'), new RegExp(made));

  const mirrored = listFiles(join(world.mirrorDir, 'objects')).filter((name) => /^(..\/|pack\/.*\.pack$)/.test(name));
  const damaged = join(world.mirrorDir, 'objects', mirrored[0] ?? '');
  chmodSync(damaged, 0o644);
  const content = readFileSync(damaged);
  content.writeUInt8(content.readUInt8(content.length - 10) ^ 1, content.length - 10);
  writeFileSync(damaged, content);
  const faults = await checkMirrorObjects(world.mirrorDir);
  assert.ok(faults.length > 0, 'a flipped bit of a mirror');
  assert.ok((await measureObjects(world.mirrorDir)) >= 1024);
  rmSync(damaged);
  assert.ok((await checkMirrorObjects(world.mirrorDir, { contents: false })).length > 0, 'what is not there at all');
});

test('the check of a workspace reads none of its settings, leaves nothing behind, and ends', async () => {
  await using place = makePlace();
  const world = await makeWorld(place);
  const before = listFiles(join(world.mirrorDir, '..'));
  const evil = place.path('evil');
  const git = join(world.workspaceDir, '.git');
  writeFileSync(
    join(git, 'config'),
    `[core]\n\tfsmonitor = "touch ${evil}"\n\talternateRefsCommand = "touch ${evil}"\n\trepositoryformatversion = 1\n[extensions]\n\tpartialClone = x\n[remote "x"]\n\turl = "ext::sh -c touch% ${evil}"\n\tpromisor = true\n`,
  );
  rmSync(pathOf(git, plainGit(world.source, 'rev-parse', 'HEAD:README.md').trim()), { force: true });
  rmSync(join(git, 'objects', 'pack'), { recursive: true, force: true });
  assert.ok((await check(world)).length > 0);
  assert.equal(existsSync(evil), false);
  assert.deepEqual(listFiles(join(world.mirrorDir, '..')), before);
  await assert.rejects(checkMirrorObjects(world.mirrorDir, { timeoutMs: 1 }), (error: unknown) =>
    isError(error, 'git-timeout'),
  );
});
