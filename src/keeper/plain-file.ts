/**
 * Reading from a run directory, where an agent without a sandbox can put anything: a link out of it, a pipe that blocks
 * its reader for ever, a file without end. Those are damage, never followed.
 */
import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { errnoOf } from '../kernel/result.ts';

const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Largest record that is read: a specification holds a command and an environment, which the kernel limits to less. */
const RECORD_LIMIT_BYTES = 8 * 1024 * 1024;

/** Opens a plain file for reading, or returns null when it does not exist. Throws for everything that is not one. */
export async function openPlainFile(path: string): Promise<FileHandle | null> {
  let handle: FileHandle;
  try {
    handle = await open(path, FLAGS);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    if (errnoOf(error) === 'ELOOP') throw new Error('it is a symbolic link', { cause: error });
    throw error;
  }
  if ((await handle.stat()).isFile()) return handle;
  await handle.close();
  throw new Error('it is not a plain file');
}

/** Reads a record whole, or returns null when it does not exist. Throws when it is none or far too large for one. */
export async function readPlainFile(path: string): Promise<Buffer | null> {
  await using handle = await openPlainFile(path);
  if (handle === null) return null;
  const { size } = await handle.stat();
  if (size > RECORD_LIMIT_BYTES) throw new Error(`${size} bytes are too many for a record`);
  return await handle.readFile();
}
