import { constants } from 'node:fs';
import { open, readlink, realpath, type FileHandle } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fail } from '../kernel/errors.ts';
import { errnoOf } from '../kernel/result.ts';

const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * Opens an output file below `root` for reading; null when it does not exist. An agent can write where its output lies,
 * so a link, a pipe, a second name or a directory swapped for a link is refused with `record-corrupt`: else it could make this
 * server read any file for it.
 */
export async function openOutput(path: string, root: string): Promise<FileHandle | null> {
  let handle: FileHandle;
  try {
    handle = await open(path, FLAGS);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    if (errnoOf(error) === 'ELOOP') throw fail('record-corrupt', `${path} is a symbolic link`);
    throw error;
  }
  try {
    await refuseOddFile(handle, path, root);
  } catch (error) {
    await handle.close();
    throw error;
  }
  return handle;
}

async function refuseOddFile(handle: FileHandle, path: string, root: string): Promise<void> {
  const stat = await handle.stat();
  if (!stat.isFile() || stat.nlink !== 1) throw fail('record-corrupt', `${path} is not a plain file of its own`);
  if (process.platform !== 'linux') return;
  const [real, below] = await Promise.all([readlink(`/proc/self/fd/${handle.fd}`), realpath(root)]);
  if (real !== join(below, relative(root, path))) throw fail('record-corrupt', `${path} leads to another place`);
}
