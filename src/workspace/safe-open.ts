import { constants, open, readlink, realpath, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { fail } from '../kernel/errors.ts';
import { errnoOf } from '../kernel/result.ts';

/** Longest relative path, as in Linux. */
const MAX_PATH = 4096;

/**
 * Opens a file that an agent may have put there, for reading. It is what its name says and nothing else: a regular file
 * with exactly one name, reached without a symlink anywhere below `root`, whatever is renamed meanwhile; opening never
 * blocks. ENOENT is thrown as it is; everything refused is `workspace-unsafe`. The caller closes the handle.
 * Linux only: the check reads /proc/self/fd.
 */
export async function safeOpen(root: string, relative: string): Promise<FileHandle> {
  const refuse = (why: string, cause?: unknown): Error =>
    fail('workspace-unsafe', `${JSON.stringify(relative)} ${why}`, { cause });
  const parts = relative.split('/');
  if (relative.length > MAX_PATH || relative.includes('\0')) throw refuse('is not a file name');
  if (parts.some((part) => part === '' || part === '.' || part === '..')) throw refuse('is not a plain relative path');
  const expected = join(await realpath(root), relative);
  let handle: FileHandle;
  try {
    handle = await open(expected, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOENT') throw error;
    throw refuse(errno === 'ELOOP' ? 'is a symlink' : `cannot be opened (${errno ?? 'unknown'})`, error);
  }
  try {
    const stat = await handle.stat();
    if (!stat.isFile()) throw refuse('is not a regular file');
    if (stat.nlink !== 1) throw refuse('has more than one name');
    if ((await readlink(`/proc/self/fd/${handle.fd}`)) !== expected) throw refuse('is reached through a symlink');
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}
