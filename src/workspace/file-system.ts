import { constants, copyFile, realpath, rm, statfs } from 'node:fs/promises';
import { fail } from '../kernel/errors.ts';
import { tempBeside, writeDurable } from '../kernel/durable.ts';
import { errnoOf } from '../kernel/result.ts';
import { join } from 'node:path';
import { listMounts, type Mount } from './mounts.ts';
import { runChild } from './run-child.ts';
import { plainEnvironment } from './safe-git.ts';

/**
 * File systems that live on another machine or in another kernel: locks, rename, link and fsync there are promises of
 * somebody else. 9p is among them (a Windows drive under WSL, a shared folder of a virtual machine: no shared memory
 * maps and no locks to rely on). overlay, tmpfs and virtiofs are not: their files belong to this kernel or are coherent.
 */
const NETWORK_TYPES = new Set(
  ['nfs', 'nfs4', 'cifs', 'smb3', 'smbfs', 'ncpfs', 'afs', 'coda', '9p', 'drvfs', 'davfs', 'ceph', 'glusterfs'].concat([
    'lustre',
    'gpfs',
    'beegfs',
    'orangefs',
    'pvfs2',
    'gfs',
    'gfs2',
    'ocfs2',
    'vboxsf',
    'vmhgfs',
  ]),
);

/** fuse.<name> of these are network file systems as well. */
const NETWORK_FUSE =
  /^fuse\.(sshfs|s3fs|rclone|gcsfuse|goofys|geesefs|glusterfs|ceph.*|davfs2?|curlftpfs|smbnetfs|juicefs|blobfuse2?|gdfuse|afp.*|nfs.*|mount-s3|vmhgfs-fuse)$/;

export interface FileSystemInfo {
  /** As in /proc/self/mountinfo, `unknown` where that cannot be told. */
  type: string;
  network: boolean;
  /** Bytes this user may still write. */
  freeBytes: number;
  totalBytes: number;
  /** Whether files can be copied there by sharing their blocks (FICLONE). */
  reflink: boolean;
}

/** Whether a file system of this type is kept by another machine. */
export function isNetworkType(type: string): boolean {
  return NETWORK_TYPES.has(type) || NETWORK_FUSE.test(type);
}

/** Returns the mount that holds the real path `path`: the longest mount point above it, the newest of equal ones. */
export function findMount(mounts: readonly Mount[], path: string): Mount | null {
  let found: Mount | null = null;
  for (const mount of mounts) {
    const prefix = mount.mountPoint === '/' ? '/' : `${mount.mountPoint}/`;
    if (`${path}/`.startsWith(prefix) && mount.mountPoint.length >= (found?.mountPoint.length ?? 0)) found = mount;
  }
  return found;
}

/** Returns what is known about the file system of an existing directory. Writes and removes two small probe files. */
export async function describeFileSystem(dir: string): Promise<FileSystemInfo> {
  const path = await realpath(dir);
  const type = findMount(await listMounts(), path)?.type ?? 'unknown';
  const { bavail, blocks, bsize } = await statfs(path);
  return {
    type,
    network: isNetworkType(type),
    freeBytes: bavail * bsize,
    totalBytes: blocks * bsize,
    reflink: await canReflink(path),
  };
}

/** Whether a file in `dir` can be copied by sharing its blocks. Every refusal that is not about this is thrown. */
export async function canReflink(dir: string): Promise<boolean> {
  const probe = tempBeside(join(dir, 'reflink'));
  // A name like any temp file's: what a crash leaves of it is swept by that.
  const copy = tempBeside(join(dir, 'reflink-copy'));
  try {
    await writeDurable(probe, 'probe');
    await copyNewFile({ from: probe, to: copy, share: true });
    return true;
  } catch (error) {
    const errno = errnoOf(error) ?? '';
    if (['ENOTSUP', 'EOPNOTSUPP', 'EINVAL', 'ENOTTY', 'ENOSYS', 'EXDEV'].includes(errno)) return false;
    throw error;
  } finally {
    await rm(probe, { force: true });
    await rm(copy, { force: true });
  }
}

/**
 * Copies a file to a name that does not exist yet, sharing its blocks (which fails where the file system cannot) or
 * byte by byte. Not flushed: `syncFileSystem` does that for the whole tree before it gets its name.
 */
export async function copyNewFile(copy: { from: string; to: string; share: boolean }): Promise<void> {
  const mode = copy.share ? constants.COPYFILE_FICLONE_FORCE : 0;
  await copyFile(copy.from, copy.to, mode | constants.COPYFILE_EXCL);
}

/**
 * Flushes everything of the file system that holds `dir` (syncfs). One call for a whole new tree: an fsync per file of
 * a checkout takes seconds, and a rename must not become durable before the files below it.
 */
export async function syncFileSystem(dir: string, op?: string): Promise<void> {
  const argv = ['sync', '--file-system', dir];
  const result = await runChild({ argv, cwd: '/', env: plainEnvironment(), timeoutMs: 600_000, maxBytes: 4096, op });
  if (result.code !== 0) throw fail('storage-failed', `sync of ${dir}: ${result.stderr.trim() || 'it took too long'}`);
}
