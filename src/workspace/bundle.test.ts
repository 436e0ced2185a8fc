import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createRepository, git } from '../../test/support/repository.ts';
import { isError } from '../kernel/errors.ts';
import { bundleMirror, unbundleMirror, verifyBundle } from './bundle.ts';

async function makeMirror(root: string, ...clone: string[]): Promise<{ mirrorDir: string; source: string }> {
  const source = await createRepository(join(root, 'source'));
  await writeFile(join(source, 'second.txt'), '2\n');
  await git(source, 'add', '-A');
  await git(source, 'commit', '-q', '-m', 'second');
  await git(source, 'tag', '-a', '-m', 'one', 'v1');
  const mirrorDir = join(root, 'mirror.git');
  await git(root, 'clone', '-q', '--bare', ...clone, `file://${source}`, mirrorDir);
  for (const job of ['job_a', 'job_b']) {
    const tree = (await git(mirrorDir, 'rev-parse', 'HEAD^{tree}')).trim();
    const commit = (await git(mirrorDir, 'commit-tree', '-p', 'HEAD', '-m', job, tree)).trim();
    await git(mirrorDir, 'update-ref', `refs/holdfast/${job}/attempt-1`, commit);
  }
  return { mirrorDir, source };
}

async function inScratch(body: (root: string) => Promise<void>): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), 'holdfast-bundle-'));
  try {
    await body(root);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

const wants = (ref: string): boolean => !ref.includes('job_b');

test('a mirror comes back from its bundle with the refs that were wanted, kept from other jobs', () =>
  inScratch(async (root) => {
    const { mirrorDir } = await makeMirror(root);
    const file = join(root, 'mirror.bundle');
    const mirror = await bundleMirror({ mirrorDir, file, wants });
    assert.ok(mirror !== null);
    assert.equal(mirror.head, 'refs/heads/main');
    const made = join(root, 'made', 'mirror.git');
    await unbundleMirror({ file, mirrorDir: made, mirror });
    const refs = (await git(made, 'for-each-ref', '--format=%(refname)')).trim().split('\n');
    assert.deepEqual(refs, ['refs/heads/main', 'refs/holdfast/job_a/attempt-1', 'refs/tags/v1']);
    await git(made, 'fsck', '--strict');
    const packs = await readdir(join(made, 'objects', 'pack'));
    assert.equal(packs.filter((name) => name.endsWith('.keep')).length, 1);
  }));

test('a history that was cut off stays so', () =>
  inScratch(async (root) => {
    const { mirrorDir } = await makeMirror(root, '--depth', '1');
    const file = join(root, 'mirror.bundle');
    const mirror = await bundleMirror({ mirrorDir, file, wants });
    assert.ok(mirror !== null && mirror.shallow !== null);
    const made = join(root, 'made', 'mirror.git');
    await unbundleMirror({ file, mirrorDir: made, mirror });
    assert.equal((await git(made, 'rev-list', '--count', 'main')).trim(), '1');
    await git(made, 'fsck');
  }));

test('what is damaged, or not there, is told', () =>
  inScratch(async (root) => {
    const { mirrorDir } = await makeMirror(root);
    const file = join(root, 'mirror.bundle');
    assert.equal(await bundleMirror({ mirrorDir: join(root, 'none.git'), file, wants }), null);
    assert.equal(await bundleMirror({ mirrorDir, file, wants: () => false }), null);
    const mirror = await bundleMirror({ mirrorDir, file, wants });
    assert.ok(mirror !== null);
    const scratch = await mkdtemp(join(root, 'scratch-'));
    await verifyBundle({ file, scratch, mirror });
    const isDamaged = (error: unknown): boolean => isError(error, 'backup-damaged');
    const other = { ...mirror, refs: mirror.refs.slice(1) };
    await assert.rejects(verifyBundle({ file, scratch, mirror: other }), isDamaged);
    const bytes = await readFile(file);
    bytes[bytes.length - 30] = (bytes[bytes.length - 30] ?? 0) ^ 1;
    await writeFile(file, bytes);
    await assert.rejects(verifyBundle({ file, scratch, mirror }), isDamaged);
    assert.deepEqual(await readdir(scratch), []);
  }));
