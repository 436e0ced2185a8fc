import assert from 'node:assert/strict';
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { fail, isError, type ErrorCode } from '../kernel/errors.ts';
import { sha256 } from '../kernel/hash.ts';
import type { JobFile } from '../lifecycle/job-file.ts';
import { crashAt } from './crash.fixture.ts';
import { prepareWorkspace, type PrepareWorkspaceRequest } from './prepare-workspace.ts';
import { makePlace, makeWorld, plainGit, type Place, type World } from './repository.fixture.ts';
import { publishFile, receiveFile, unstageFile } from './staging.ts';

const any = (): void => undefined;

async function* bytesOf(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}

// oxlint-disable-next-line max-params -- what tells one upload from another
async function stage(stagingDir: string, name: string, text: string, overwrite = false): Promise<JobFile> {
  const received = await receiveFile({ stagingDir, source: bytesOf(text), check: any });
  await publishFile(stagingDir, received, name);
  return {
    id: `job_k/${name}`,
    jobId: 'job_k',
    name,
    sha256: sha256(text),
    size: text.length,
    overwrite,
    uploadedAt: 1,
  };
}

function request(world: World, place: Place, files: JobFile[]): PrepareWorkspaceRequest {
  const uploads = { stagingDir: place.path('jobs/k/staging'), files };
  const workspaceDir = place.path('jobs/k/workspace');
  return { ...world, workspaceDir, baseCommit: world.base, branch: 'holdfast/job-2', op: 'op_5', uploads };
}

function refuses(code: ErrorCode, wanted: PrepareWorkspaceRequest, detail: RegExp): Promise<void> {
  return assert.rejects(prepareWorkspace(wanted), (error) => {
    assert.ok(isError(error, code), String(error));
    assert.match(error.detail, detail);
    assert.equal(existsSync(wanted.workspaceDir), false, 'there is no workspace without its uploads');
    return true;
  });
}

describe('staging', () => {
  it('keeps a file under its hash, and nothing of one that was refused on its way', async () => {
    await using place = makePlace();
    const stagingDir = place.path('jobs/k/staging');
    const file = await stage(stagingDir, 'a.txt', 'hello');
    assert.equal(readFileSync(join(stagingDir, file.sha256, 'a.txt'), 'utf8'), 'hello');
    await stage(stagingDir, 'b.txt', 'hello');
    const check = (size: number): void => {
      if (size > 3) throw fail('payload-too-large', 'test');
    };
    await assert.rejects(receiveFile({ stagingDir, source: bytesOf('ab', 'cd'), check }), /test/);
    assert.deepEqual(readdirSync(stagingDir), [file.sha256]);
    await unstageFile(stagingDir, file);
    await unstageFile(stagingDir, file);
    assert.deepEqual(readdirSync(join(stagingDir, file.sha256)), ['b.txt']);
    await unstageFile(stagingDir, { ...file, name: 'b.txt' });
    assert.deepEqual(readdirSync(stagingDir), []);
  });

  it('does not write through a link that was put in its place', async () => {
    await using place = makePlace();
    const elsewhere = place.path('elsewhere');
    mkdirSync(elsewhere, { recursive: true });
    const stagingDir = place.path('jobs/k/staging');
    mkdirSync(dirname(stagingDir), { recursive: true });
    symlinkSync(elsewhere, stagingDir);
    await assert.rejects(stage(stagingDir, 'a', 'x'), (error) => isError(error, 'workspace-unsafe'));
    rmSync(stagingDir);
    mkdirSync(stagingDir);
    symlinkSync(elsewhere, join(stagingDir, sha256('x')));
    await assert.rejects(stage(stagingDir, 'a', 'x'), (error) => isError(error, 'workspace-unsafe'));
    assert.deepEqual(readdirSync(elsewhere), []);
  });
});

describe('uploads in a workspace', () => {
  it('lie at its top, as they were sent', async () => {
    await using place = makePlace();
    const world = await makeWorld(place);
    const stagingDir = place.path('jobs/k/staging');
    const big = 'x'.repeat(300_000);
    const files = [
      await stage(stagingDir, 'a b.txt', 'one'),
      await stage(stagingDir, 'big', big),
      await stage(stagingDir, 'empty', ''),
    ];
    const { workspaceDir } = request(world, place, files);
    await prepareWorkspace(request(world, place, files));
    assert.equal(readFileSync(join(workspaceDir, 'a b.txt'), 'utf8'), 'one');
    assert.equal(readFileSync(join(workspaceDir, 'big'), 'utf8'), big);
    assert.equal(readFileSync(join(workspaceDir, 'empty'), 'utf8'), '');
    assert.equal(lstatSync(join(workspaceDir, 'big')).nlink, 1);
    assert.equal(plainGit(workspaceDir, 'status', '--porcelain').split('\n').length, 4);
  });

  it('take the place of a file of the repository only when that was asked for, of a directory never', async () => {
    await using place = makePlace();
    const world = await makeWorld(place, { 'src/a.txt': 'a', 'notes.md': 'theirs' });
    const stagingDir = place.path('jobs/k/staging');
    const plain = await stage(stagingDir, 'notes.md', 'mine');
    await refuses('upload-conflict', request(world, place, [plain]), /a file "notes.md"/);
    const directory = await stage(stagingDir, 'src', 'mine', true);
    await refuses('upload-conflict', request(world, place, [directory]), /a directory "src"/);
    const wanted = request(world, place, [{ ...plain, overwrite: true }]);
    await prepareWorkspace(wanted);
    assert.equal(readFileSync(join(wanted.workspaceDir, 'notes.md'), 'utf8'), 'mine');
    assert.equal(plainGit(wanted.workspaceDir, 'status', '--porcelain'), ' M notes.md\n');
  });

  it('are refused when they are missing, changed, or something else by now', async () => {
    await using place = makePlace();
    const world = await makeWorld(place);
    const stagingDir = place.path('jobs/k/staging');
    const file = await stage(stagingDir, 'a.txt', 'hello');
    const path = join(stagingDir, file.sha256, 'a.txt');
    const wanted = request(world, place, [file]);
    writeFileSync(path, 'hellO');
    await refuses('record-corrupt', wanted, /"a.txt" .* is not what was sent/);
    rmSync(path);
    await refuses('record-corrupt', wanted, /is missing/);
    writeFileSync(place.path('secret'), 'hello');
    symlinkSync(place.path('secret'), path);
    await refuses('workspace-unsafe', wanted, /symlink/);
    rmSync(path);
    linkSync(place.path('secret'), path);
    await refuses('workspace-unsafe', wanted, /more than one name/);
    rmSync(path);
    assert.equal(spawnSync('mkfifo', [path]).status, 0);
    await refuses('workspace-unsafe', wanted, /not a regular file/);
    rmSync(path);
    writeFileSync(path, 'hello');
    renameSync(stagingDir, place.path('moved'));
    symlinkSync(place.path('moved'), stagingDir);
    await refuses('workspace-unsafe', wanted, /symlink/);
  });

  for (const point of ['upload.before-copy', 'upload.after-copy'] as const) {
    it(`are all there or there is no workspace, killed at ${point}`, async () => {
      await using place = makePlace();
      const world = await makeWorld(place);
      const wanted = request(world, place, [await stage(place.path('jobs/k/staging'), 'a.txt', 'hello')]);
      crashAt(point, { do: 'prepareWorkspace', with: wanted });
      assert.equal(existsSync(wanted.workspaceDir), false);
      await prepareWorkspace({ ...wanted, op: 'op_6' });
      assert.equal(readFileSync(join(wanted.workspaceDir, 'a.txt'), 'utf8'), 'hello');
      assert.deepEqual(readdirSync(place.path('jobs/k')).toSorted(), ['staging', 'workspace']);
    });
  }
});
