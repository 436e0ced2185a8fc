import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { copyNewFile, describeFileSystem, findMount, isNetworkType, syncFileSystem } from './file-system.ts';
import { parseMountInfo } from './mounts.ts';
import { makePlace } from './repository.fixture.ts';

const MOUNTS = `22 1 0:20 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
23 22 0:21 / /home rw - nfs4 server:/export rw,vers=4.2
24 22 0:22 / /home/me/my\\040disk rw,noatime master:3 propagate_from:2 - fuse.sshfs me@host:/x rw
25 22 0:23 / /mnt/c rw - 9p drvfs rw
26 22 0:24 / /homestead rw - btrfs /dev/vdb rw
27 23 0:25 / /home rw - overlay overlay rw
28 22 0:26 /sub /srv rw - virtiofs share rw
nonsense
29 22
`;

describe('the file system of a directory', () => {
  it('is the newest of the longest mount points above it', () => {
    const mounts = parseMountInfo(MOUNTS);
    assert.equal(mounts.length, 7);
    const type = (path: string): string | undefined => findMount(mounts, path)?.type;
    assert.equal(type('/'), 'ext4');
    assert.equal(type('/etc/x'), 'ext4');
    assert.equal(type('/home/me'), 'overlay');
    assert.equal(type('/home/me/my disk/x'), 'fuse.sshfs');
    assert.equal(type('/homestead/x'), 'btrfs');
    assert.equal(type('/mnt/c/Users'), '9p');
    assert.equal(findMount([], '/'), null);
  });

  it('is a network one when another machine keeps it', () => {
    for (const type of [
      'nfs',
      'nfs4',
      'cifs',
      'smb3',
      '9p',
      'ceph',
      'lustre',
      'fuse.sshfs',
      'fuse.s3fs',
      'fuse.rclone',
    ]) {
      assert.ok(isNetworkType(type), type);
    }
    for (const type of ['ext4', 'xfs', 'btrfs', 'zfs', 'tmpfs', 'overlay', 'virtiofs', 'fuse.ntfs-3g', 'fuseblk']) {
      assert.ok(!isNetworkType(type), type);
    }
  });

  it('is described for a real directory, which is left as it was', async () => {
    await using place = makePlace();
    mkdirSync(place.path('dir'));
    symlinkSync(place.path('dir'), place.path('link'));
    const info = await describeFileSystem(place.path('link'));
    assert.notEqual(info.type, 'unknown');
    assert.equal(info.network, isNetworkType(info.type));
    assert.ok(info.freeBytes > 0 && info.freeBytes <= info.totalBytes);
    assert.deepEqual(readdirSync(place.path('dir')), []);
    await assert.rejects(describeFileSystem(place.path('missing')), { code: 'ENOENT' });
    await syncFileSystem(place.path('dir'));
    // What was found out about sharing blocks must hold for a real copy.
    writeFileSync(place.path('a'), 'x'.repeat(10_000));
    const copy = copyNewFile({ from: place.path('a'), to: place.path('b'), share: info.reflink });
    await copy;
    assert.equal(readFileSync(place.path('b'), 'utf8').length, 10_000);
    if (info.reflink) return;
    await assert.rejects(copyNewFile({ from: place.path('a'), to: place.path('c'), share: true }));
  });

  it('is never copied over something that exists', async () => {
    await using place = makePlace();
    for (const name of ['a', 'b']) writeFileSync(place.path(name), name);
    await assert.rejects(copyNewFile({ from: place.path('a'), to: place.path('b'), share: false }), { code: 'EEXIST' });
    assert.equal(readFileSync(place.path('b'), 'utf8'), 'b');
  });
});
