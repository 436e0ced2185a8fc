import assert from 'node:assert/strict';
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { isError } from '../kernel/errors.ts';
import { checkOutBundle, type CheckOutRequest } from './check-out.ts';
import { harvestWork } from './harvest.ts';
import {
  commitFiles,
  listFiles,
  makePlace,
  makeWorld,
  plainGit,
  writeFiles,
  type Place,
} from './repository.fixture.ts';
import { bundleResult, type ResultRequest } from './result.ts';

const BRANCH = 'holdfast/7-greet';

/** A repository, its mirror, and the work of a job as a bundle. */
async function makeBundled(place: Place, work: 'commit' | 'workspace' = 'commit') {
  const world = await makeWorld(place, { 'old.txt': 'old\n' });
  const { mirrorDir, workspaceDir, base } = world;
  writeFiles(workspaceDir, { '.gitattributes': '* filter=evil\n', 'new.txt': 'new\n' });
  symlinkSync('/etc', join(workspaceDir, 'link'));
  const request: ResultRequest = {
    mirrorDir,
    base,
    message: 'Work of job 7',
    op: 'op_7',
    work: { kind: 'workspace', workspaceDir },
  };
  if (work === 'commit') {
    commitFiles(workspaceDir, { 'more.txt': 'more\n' });
    const ref = 'refs/holdfast/job_1/candidate-1';
    const found = await harvestWork({ mirrorDir, workspaceDir, baseCommit: base, ref, op: 'op_3' });
    assert.ok(found.kind === 'committed');
    request.work = { kind: 'commit', commit: found.commit };
  }
  const bundled = await bundleResult({ ...request, branch: BRANCH });
  assert.ok(bundled !== null);
  const bundle = place.path('job.bundle');
  await writeFile(bundle, await buffer(bundled.stream));
  const parent = place.path('operator');
  mkdirSync(parent);
  const out: CheckOutRequest = { bundle, directory: null, parent, shallow: bundled.shallow, origin: world.source };
  return { ...world, request, out, parent };
}

describe('checking the branch of a job out', () => {
  it('makes a whole repository of its own, named after the branch, and leaves every other as it is', async () => {
    await using place = makePlace();
    const { request, out, source, mirrorDir, base, parent } = await makeBundled(place);
    const before = [listFiles(mirrorDir), listFiles(source)];
    const done = await checkOutBundle(out);
    assert.ok(request.work.kind === 'commit');
    assert.deepEqual(done, {
      directory: join(parent, 'holdfast-7-greet'),
      branch: BRANCH,
      commit: request.work.commit,
    });
    const { directory } = done;
    assert.equal(plainGit(directory, 'status', '--porcelain').trim(), '');
    assert.equal(plainGit(directory, 'symbolic-ref', '--short', 'HEAD').trim(), BRANCH);
    assert.equal(plainGit(directory, 'merge-base', 'HEAD', base).trim(), base);
    assert.equal(plainGit(directory, 'remote', 'get-url', 'origin').trim(), source);
    assert.equal(readFileSync(join(directory, 'new.txt'), 'utf8'), 'new\n');
    assert.ok(lstatSync(join(directory, 'link')).isSymbolicLink());
    assert.ok(!existsSync(join(directory, '.git', 'hooks')));
    plainGit(directory, 'fsck', '--strict', '--no-dangling');
    assert.deepEqual([listFiles(mirrorDir), listFiles(source)], before);
    assert.deepEqual(readdirSync(parent), ['holdfast-7-greet']);
    assert.deepEqual(readdirSync(place.path('repos', 'r')), ['mirror.git'], 'no scratch is left');
  });

  it('takes what was never committed as one commit on the base', async () => {
    await using place = makePlace();
    const { out, base } = await makeBundled(place, 'workspace');
    const { directory } = await checkOutBundle(out);
    assert.equal(plainGit(directory, 'rev-parse', 'HEAD^').trim(), base);
    assert.equal(plainGit(directory, 'log', '-1', '--format=%s').trim(), 'Work of job 7');
    assert.deepEqual(readdirSync(directory).toSorted(), ['.git', '.gitattributes', 'link', 'new.txt', 'old.txt']);
  });

  it('fills an empty directory, and refuses one with anything in it, or a file', async () => {
    await using place = makePlace();
    const { out, parent } = await makeBundled(place);
    const directory = join(parent, 'here');
    mkdirSync(directory);
    await checkOutBundle({ ...out, directory });
    const inUse = (error: unknown): boolean => isError(error, 'directory-in-use');
    await assert.rejects(checkOutBundle({ ...out, directory }), inUse);
    writeFileSync(join(parent, 'file'), 'mine');
    await assert.rejects(checkOutBundle({ ...out, directory: join(parent, 'file') }), inUse);
    await assert.rejects(checkOutBundle({ ...out, directory: join(parent, 'file', 'below') }), inUse);
    assert.equal(readFileSync(join(parent, 'file'), 'utf8'), 'mine');
    assert.deepEqual(readdirSync(parent).toSorted(), ['file', 'here'], 'nothing half made is left');
  });

  it('takes no bundle of anything but the branch of a job, and no address that is none', async () => {
    await using place = makePlace();
    const { out, source, parent } = await makeBundled(place);
    const foreign = place.path('foreign.bundle');
    plainGit(source, 'bundle', 'create', '-q', foreign, 'refs/heads/main');
    await assert.rejects(checkOutBundle({ ...out, bundle: foreign }), /not one of a job/);
    assert.deepEqual(readdirSync(parent), []);
    const { directory } = await checkOutBundle({ ...out, origin: 'ext::sh -c date' });
    assert.equal(plainGit(directory, 'remote').trim(), '');
  });
});

describe('the bundle of a job', () => {
  it('of one that changed nothing is none', async () => {
    await using place = makePlace();
    const { mirrorDir, workspaceDir, base } = await makeWorld(place);
    const work = { kind: 'workspace', workspaceDir } as const;
    const request = { mirrorDir, base, work, message: 'none', op: 'op_7', branch: BRANCH };
    assert.equal(await bundleResult(request), null);
    assert.deepEqual(readdirSync(place.path('repos', 'r')), ['mirror.git']);
  });
});
