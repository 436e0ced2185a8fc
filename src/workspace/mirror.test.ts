import assert from 'node:assert/strict';
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { until } from '../../test/support/poll.ts';
import { delay } from '../kernel/backoff.ts';
import { isError } from '../kernel/errors.ts';
import { crashAt } from './crash.fixture.ts';
import { updateMirror, type UpdateMirrorRequest } from './mirror.ts';
import {
  commitFiles,
  listFiles,
  makePlace,
  makeRepository,
  plainGit,
  runPlain,
  type Place,
} from './repository.fixture.ts';
import { configureGit } from './safe-git.ts';
import { deleteSavedTrees } from './saved-trees.ts';

const SYSTEM = '/usr/local/bin:/usr/bin:/bin';

/** Makes every git of ours run this script first. */
function useGit(place: Place, script: string): void {
  const bin = place.path('bin');
  mkdirSync(bin);
  writeFileSync(`${bin}/git`, `#!/bin/sh\n${script}\nPATH='${SYSTEM}'\nexec git "$@"\n`);
  chmodSync(`${bin}/git`, 0o755);
  configureGit({ path: `${bin}:${SYSTEM}` });
}

function request(place: Place, more: Partial<UpdateMirrorRequest> = {}): UpdateMirrorRequest {
  return {
    mirrorDir: place.path('repos/r/mirror.git'),
    source: place.path('source'),
    sourceKind: 'path',
    op: 'op_1',
    base: 'main',
    ...more,
  };
}

function refs(mirrorDir: string): string[] {
  return plainGit(mirrorDir, 'for-each-ref', '--format=%(refname)').trim().split('\n');
}

function assertClean(mirrorDir: string): void {
  const fsck = runPlain(mirrorDir, ['git', 'fsck', '--full', '--strict']);
  assert.equal(fsck.status, 0, fsck.stderr + fsck.stdout);
}

describe('updateMirror', () => {
  it('clones once, then follows the branches and tags of the source and never drops what we saved', async () => {
    await using place = makePlace();
    const first = makeRepository(place.path('source'));
    const { mirrorDir } = request(place);
    assert.deepEqual(await updateMirror(request(place)), { head: first, cloned: true });
    assert.deepEqual(readdirSync(place.path('repos/r')), ['mirror.git']);
    plainGit(mirrorDir, 'update-ref', 'refs/holdfast/job_1/attempt-1', first);
    const source = place.path('source');
    plainGit(source, 'branch', 'gone');
    plainGit(source, 'tag', 'v1');
    const second = commitFiles(source, { more: 'x' });
    assert.deepEqual(await updateMirror(request(place, { op: 'op_2' })), { head: second, cloned: false });
    const expected = ['refs/heads/gone', 'refs/heads/main', 'refs/holdfast/job_1/attempt-1', 'refs/tags/v1'];
    assert.deepEqual(refs(mirrorDir), expected);
    plainGit(source, 'branch', '-D', 'gone');
    plainGit(source, 'branch', 'gone/deeper');
    plainGit(source, 'reset', '-q', '--hard', first);
    const third = commitFiles(source, { other: 'y' });
    assert.equal((await updateMirror(request(place, { op: 'op_3' }))).head, third);
    assert.deepEqual(refs(mirrorDir), ['refs/heads/gone/deeper', ...expected.slice(1)]);
    assertClean(mirrorDir);
  });

  it('keeps fetched objects in packs and has none of the files of the source', async () => {
    await using place = makePlace();
    makeRepository(place.path('source'));
    await updateMirror(request(place));
    const files = listFiles(request(place).mirrorDir);
    assert.deepEqual(
      files.filter((name) => /objects\/[0-9a-f]{2}\/|alternates|hooks\//.test(name)),
      [],
    );
    assert.ok(files.some((name) => name.endsWith('.pack')));
  });

  it('names a missing base branch and an empty source, and leaves nothing half-made', async () => {
    await using place = makePlace();
    plainGit(place.root, 'init', '-q', 'empty');
    makeRepository(place.path('source'));
    const empty = request(place, { source: place.path('empty'), base: null });
    await assert.rejects(updateMirror(empty), (error) => isError(error, 'empty-repository'));
    const missing = (error: unknown): boolean => isError(error, 'branch-not-found') && error.detail.includes('main');
    await assert.rejects(updateMirror(request(place, { base: 'nope' })), missing);
    assert.deepEqual(readdirSync(place.path('repos/r')), ['mirror.git']);
    await assert.rejects(updateMirror(request(place, { base: 'nope' })), missing);
    assert.equal((await updateMirror(request(place))).cloned, false);
  });

  it('lets a temp pack of another job become a pack while it looks for those of the dead', async () => {
    await using place = makePlace();
    makeRepository(place.path('source'));
    await updateMirror(request(place));
    const head = commitFiles(place.path('source'), { more: 'x' });
    // It is listed, and gone when it is looked at.
    symlinkSync('gone', `${request(place).mirrorDir}/objects/pack/tmp_pack_abc`);
    assert.deepEqual(await updateMirror(request(place, { op: 'op_2', takeover: true })), { head, cloned: false });
  });

  it('removes what dead clones left, and lock files only when it takes over', async () => {
    await using place = makePlace();
    makeRepository(place.path('source'));
    mkdirSync(place.path('repos/r/mirror.git.op_0/objects'), { recursive: true });
    mkdirSync(place.path('repos/r/scratch.1-dead.1'), { recursive: true });
    await updateMirror(request(place));
    assert.deepEqual(readdirSync(place.path('repos/r')), ['mirror.git']);
    const { mirrorDir } = request(place);
    commitFiles(place.path('source'), { more: 'x' });
    const ours = `${mirrorDir}/refs/holdfast/job_1/attempt-1.lock`;
    mkdirSync(`${mirrorDir}/refs/holdfast/job_1`, { recursive: true });
    for (const lock of [`${mirrorDir}/refs/heads/main.lock`, `${mirrorDir}/packed-refs.lock`, ours])
      writeFileSync(lock, '');
    await assert.rejects(updateMirror(request(place, { op: 'op_2' })), (error) => isError(error, 'git-failed'));
    await updateMirror(request(place, { op: 'op_3', takeover: true }));
    assert.ok(existsSync(ours), 'a save of another job lost its lock');
  });

  it('takes no lock from one of ours that deletes refs of a job, and waits for it', async () => {
    await using place = makePlace();
    const first = makeRepository(place.path('source'));
    await updateMirror(request(place));
    const { mirrorDir } = request(place);
    plainGit(mirrorDir, 'update-ref', 'refs/holdfast/job_1/attempt-1', first);
    const head = commitFiles(place.path('source'), { more: 'x' });
    const [held, fetching] = [place.path('held'), place.path('fetching')];
    const [go, lost] = [place.path('go'), place.path('lost')];
    const lock = `${mirrorDir}/packed-refs.lock`;
    // A git that is slow between taking the lock and deleting.
    useGit(
      place,
      `case " $* " in *" update-ref -z "*) : > '${lock}'; : > '${held}'; until [ -e '${go}' ]; do sleep 0.02; done
       [ -e '${lock}' ] || : > '${lost}'; rm -f '${lock}';; *" fetch "*) : > '${fetching}';; esac`,
    );
    try {
      const deleting = deleteSavedTrees({ mirrorDir, jobId: 'job_1', op: 'job_1.remove' });
      await until('it has the lock', () => existsSync(held));
      const updating = updateMirror(request(place, { op: 'op_2', takeover: true }));
      await Promise.race([until('it fetches', () => existsSync(fetching)), delay(300)]);
      writeFileSync(go, '');
      await deleting;
      assert.deepEqual(await updating, { head, cloned: false });
    } finally {
      configureGit({ path: SYSTEM });
    }
    assert.ok(!existsSync(lost), 'the lock was taken from git that used it');
    assert.deepEqual(refs(mirrorDir), ['refs/heads/main']);
  });

  it('begins packed-refs anew when a killed git had begun to', async () => {
    await using place = makePlace();
    makeRepository(place.path('source'));
    plainGit(place.path('source'), 'branch', 'gone');
    await updateMirror(request(place));
    plainGit(place.path('source'), 'branch', '-D', 'gone');
    writeFileSync(`${request(place).mirrorDir}/packed-refs.new`, 'half');
    await updateMirror(request(place, { op: 'op_2', takeover: true }));
    assert.deepEqual(refs(request(place).mirrorDir), ['refs/heads/main']);
  });

  it('fetches by the exact path that was registered, nothing above it', async () => {
    await using place = makePlace();
    makeRepository(place.root);
    makeRepository(place.path('source'));
    await updateMirror(request(place));
    rmSync(place.path('source/.git'), { recursive: true });
    await assert.rejects(updateMirror(request(place)), (error) => isError(error, 'source-refused'));
    const url = request(place, { sourceKind: 'url' });
    await assert.rejects(updateMirror(url), (error) => isError(error, 'source-refused'));
    await assert.rejects(updateMirror(request(place, { base: '-f' })), (error) => isError(error, 'bad-name'));
    await assert.rejects(updateMirror(request(place, { op: '../x' })), (error) => isError(error, 'bad-name'));
  });

  it('takes sources of other object formats, and ones without their whole history', async () => {
    await using place = makePlace();
    plainGit(place.root, 'init', '-q', '-b', 'main', '--object-format=sha256', 'source');
    const head = commitFiles(place.path('source'), { a: 'x' });
    assert.equal((await updateMirror(request(place))).head, head);
    makeRepository(place.path('long'));
    commitFiles(place.path('long'), { b: 'y' });
    plainGit(place.root, 'clone', '-q', '--depth=1', `file://${place.path('long')}`, 'short');
    const short = request(place, { source: place.path('short'), mirrorDir: place.path('repos/s/mirror.git') });
    await updateMirror(short);
    assert.equal(plainGit(short.mirrorDir, 'rev-list', '--count', 'main').trim(), '1');
    assertClean(short.mirrorDir);
  });

  it('rolls many small packs into one', async () => {
    await using place = makePlace();
    const source = place.path('source');
    makeRepository(source);
    const { mirrorDir } = request(place);
    await updateMirror(request(place));
    for (let n = 0; n < 32; n++) {
      const head = commitFiles(source, { count: String(n) });
      plainGit(mirrorDir, '-c', 'fetch.unpackLimit=1', 'fetch', '-q', source, '+refs/heads/*:refs/heads/*');
      assert.equal(plainGit(mirrorDir, 'rev-parse', 'main').trim(), head);
    }
    await updateMirror(request(place));
    assert.ok(readdirSync(`${mirrorDir}/objects/pack`).filter((name) => name.endsWith('.pack')).length < 10);
    assertClean(mirrorDir);
  });

  it('leaves nothing of a clone that failed', async () => {
    await using place = makePlace();
    makeRepository(place.path('source'), { file: 'x'.repeat(1000) });
    const objects = place.path('source/.git/objects');
    for (const name of listFiles(objects)) {
      chmodSync(`${objects}/${name}`, 0o600);
      writeFileSync(`${objects}/${name}`, 'damaged');
    }
    await assert.rejects(updateMirror(request(place)), (error) => isError(error, 'git-failed'));
    assert.deepEqual(readdirSync(place.path('repos/r')), []);
  });

  it('stops when it is told to, and leaves nothing that looks like a mirror', async () => {
    await using place = makePlace();
    makeRepository(place.path('source'));
    const signal = AbortSignal.abort(new Error('told to stop'));
    await assert.rejects(updateMirror(request(place, { signal })), /told to stop/);
    assert.ok(!existsSync(request(place).mirrorDir));
  });

  it("reads another user's repository as root, that one only", async () => {
    await using place = makePlace();
    const head = makeRepository(place.path('source'));
    if (process.geteuid?.() === 0) {
      for (const name of ['source', 'source/.git']) chownSync(place.path(name), 12345, 12345);
      const plain = runPlain(place.root, ['git', 'ls-remote', place.path('source')]);
      assert.match(plain.stderr, /dubious ownership/, 'git has no objection: this would prove nothing');
    }
    assert.equal((await updateMirror(request(place))).head, head);
    assert.deepEqual(readdirSync(place.path('repos/r')), ['mirror.git']);
  });
});

describe('a server killed while it updates a mirror', () => {
  for (const point of ['mirror.before-clone', 'mirror.before-rename', 'mirror.after-rename'] as const) {
    it(`at ${point} leaves a whole mirror or none`, async () => {
      await using place = makePlace();
      const head = makeRepository(place.path('source'));
      const { mirrorDir } = request(place);
      crashAt(point, { do: 'updateMirror', with: request(place) });
      assert.equal(existsSync(mirrorDir), point === 'mirror.after-rename');
      const again = await updateMirror(request(place, { op: 'op_2', takeover: true }));
      assert.deepEqual(again, { head, cloned: point !== 'mirror.after-rename' });
      assert.deepEqual(readdirSync(place.path('repos/r')), ['mirror.git']);
      assertClean(mirrorDir);
    });
  }

  for (const point of ['mirror.before-fetch', 'mirror.after-fetch'] as const) {
    it(`at ${point} leaves one that the next update completes`, async () => {
      await using place = makePlace();
      makeRepository(place.path('source'));
      await updateMirror(request(place));
      const head = commitFiles(place.path('source'), { more: 'x' });
      crashAt(point, { do: 'updateMirror', with: request(place, { op: 'op_2' }) });
      assert.deepEqual(await updateMirror(request(place, { op: 'op_3', takeover: true })), { head, cloned: false });
      assertClean(request(place).mirrorDir);
    });
  }
});
