import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { locateJobPath, removeJobPath, type JobRoots } from './job-path.ts';

interface Place extends AsyncDisposable {
  roots: JobRoots;
  outside: string;
  removalsDir: string;
}

async function makePlace(): Promise<Place> {
  const root = await mkdtemp(join(tmpdir(), 'holdfast-path-'));
  const roots = { workspace: join(root, 'workspace'), home: join(root, 'home') };
  const outside = join(root, 'outside');
  await mkdir(join(roots.workspace, 'build', 'deep'), { recursive: true });
  await mkdir(join(roots.workspace, '.git'));
  await mkdir(join(roots.home, '.cache'), { recursive: true });
  await mkdir(outside);
  await writeFile(join(outside, 'precious'), 'kept');
  return {
    roots,
    outside,
    removalsDir: join(root, 'removals'),
    [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }),
  };
}

test('a path is taken relative to the workspace, or absolute in the workspace or the home', async () => {
  await using place = await makePlace();
  const { workspace, home } = place.roots;
  assert.deepEqual(await locateJobPath(place.roots, 'build/deep'), { root: 'workspace', path: 'build/deep' });
  assert.deepEqual(await locateJobPath(place.roots, join(workspace, 'build/')), { root: 'workspace', path: 'build' });
  assert.deepEqual(await locateJobPath(place.roots, join(home, '.cache')), { root: 'home', path: '.cache' });
});

test('everything else is refused', async () => {
  await using place = await makePlace();
  const { workspace, home } = place.roots;
  await symlink(place.outside, join(workspace, 'link'));
  const refused = ['', '/', '.', '..', '../outside', 'build/../..', workspace, `${workspace}/`, home, place.outside];
  refused.push('.git', '.git/objects', join(workspace, '.git'), 'nowhere', 'build//deep', 'a\0b', 'link/precious');
  refused.push('x'.repeat(5000), join(workspace, '..', 'outside'));
  for (const text of refused) {
    await assert.rejects(locateJobPath(place.roots, text), { code: 'resource-refused' }, JSON.stringify(text));
  }
});

test('it is removed with all below it, again without harm, and a link is removed itself', async () => {
  await using place = await makePlace();
  const { workspace } = place.roots;
  await symlink(place.outside, join(workspace, 'build', 'deep', 'out'));
  const what = { root: 'workspace' as const, path: 'build', removalsDir: place.removalsDir, op: 'res_x.remove' };
  assert.equal(await removeJobPath(place.roots, what), true);
  assert.equal(await removeJobPath(place.roots, what), false);
  assert.deepEqual(await readdir(workspace), ['.git']);
  assert.deepEqual(await readdir(place.removalsDir), []);
  await symlink(place.outside, join(workspace, 'link'));
  assert.equal(await removeJobPath(place.roots, { ...what, path: 'link' }), true);
  assert.equal(await readFile(join(place.outside, 'precious'), 'utf8'), 'kept');
});

test('a directory on the way that became a link is not followed', async () => {
  await using place = await makePlace();
  const { workspace } = place.roots;
  const located = await locateJobPath(place.roots, 'build/deep');
  await rm(join(workspace, 'build'), { recursive: true });
  await mkdir(join(place.outside, 'deep'));
  await symlink(place.outside, join(workspace, 'build'));
  const what = { ...located, removalsDir: place.removalsDir, op: 'res_x.remove' };
  await assert.rejects(removeJobPath(place.roots, what), { code: 'resource-failed' });
  assert.deepEqual((await readdir(place.outside)).toSorted(), ['deep', 'precious']);
});
