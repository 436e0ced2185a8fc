/**
 * The only way anything is written that must survive a power cut. A file is complete under its name or not there at
 * all: temp file in the same directory, write, fsync, rename or link, fsync of the directory. An fsync that failed is
 * never repeated: the kernel may have dropped the pages, so the outcome is unknown and the error goes up.
 */
import {
  closeSync,
  fdatasyncSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { link, mkdir, open, readdir, readFile, rename, rm, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { createHash, randomBytes } from 'node:crypto';
import { errnoOf } from './result.ts';

/** Mode of every file of ours: the home may hold prompts and secrets. */
const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;

/** Prefix of temp files; anything with it that is older than ten minutes was left by a crash. */
export const TEMP_PREFIX = '.tmp-';

/** Whether a file of this name is one that `tempBeside` named. */
export function isTempName(name: string): boolean {
  return /^\.tmp-.+-\d+-[0-9a-f]{12}$/.test(name);
}

/** Returns a fresh temp name beside `path`, on the same file system. */
export function tempBeside(path: string): string {
  return join(dirname(path), `${TEMP_PREFIX}${basename(path)}-${process.pid}-${randomBytes(6).toString('hex')}`);
}

/**
 * Makes a directory (and its parents) that survives a power cut; fine when it exists. Every level is durable before the
 * next is made, so whatever exists hangs in durable parents; its own name is flushed also when it existed, because the
 * call that made it may have been killed before it could.
 */
export function makeDirectorySync(path: string): void {
  const full = resolve(path);
  const parent = dirname(full);
  if (parent === full) return;
  if (!isDirectorySync(parent)) makeDirectorySync(parent);
  let existed = false;
  try {
    mkdirSync(full, DIRECTORY_MODE);
  } catch (error) {
    existed = errnoOf(error) === 'EEXIST' && isDirectorySync(full);
    if (!existed) throw error;
  }
  try {
    syncDirectorySync(parent);
  } catch (error) {
    if (!isForeign(error, existed)) throw error;
  }
}

function isDirectorySync(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}

/** A parent we may not even read is not where an earlier call of ours made the directory. */
function isForeign(error: unknown, existed: boolean): boolean {
  return existed && ['EACCES', 'EPERM'].includes(errnoOf(error) ?? '');
}

/** Flushes the names of a directory to disk. */
export function syncDirectorySync(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function writeTempSync(path: string, data: string | Uint8Array): string {
  const temp = tempBeside(path);
  const fd = openSync(temp, 'wx', FILE_MODE);
  try {
    const bytes = typeof data === 'string' ? Buffer.from(data) : data;
    for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done);
    fsyncSync(fd);
  } catch (error) {
    unlinkSync(temp);
    throw error;
  } finally {
    closeSync(fd);
  }
  return temp;
}

/** Replaces `path` by `data`, durably and atomically. */
export function writeDurableSync(path: string, data: string | Uint8Array): void {
  const temp = writeTempSync(path, data);
  try {
    renameSync(temp, path);
  } catch (error) {
    unlinkSync(temp);
    throw error;
  }
  syncDirectorySync(dirname(path));
}

/**
 * Creates `path` with `data` if nobody has: returns true when this call made it, false when it existed. Exactly one of
 * any number of racing callers gets true, because link() never replaces.
 */
export function createDurableSync(path: string, data: string | Uint8Array): boolean {
  const temp = writeTempSync(path, data);
  try {
    linkSync(temp, path);
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw error;
  } finally {
    unlinkSync(temp);
  }
  syncDirectorySync(dirname(path));
  return true;
}

/** Returns the bytes of `path`, or null when it does not exist. Every other failure is thrown: it proves nothing. */
export function readIfExistsSync(path: string): Buffer | null {
  try {
    return readFileSync(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw error;
  }
}

/** Flushes the bytes of an open file. */
export function syncDataSync(fd: number): void {
  fdatasyncSync(fd);
}

/** Like `makeDirectorySync`, without blocking the event loop. */
export async function makeDirectory(path: string): Promise<void> {
  const full = resolve(path);
  const parent = dirname(full);
  if (parent === full) return;
  if (!(await isDirectory(parent))) await makeDirectory(parent);
  let existed = false;
  try {
    await mkdir(full, DIRECTORY_MODE);
  } catch (error) {
    existed = errnoOf(error) === 'EEXIST' && (await isDirectory(full));
    if (!existed) throw error;
  }
  try {
    await syncDirectory(parent);
  } catch (error) {
    if (!isForeign(error, existed)) throw error;
  }
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}

/** Like `syncDirectorySync`, without blocking the event loop. */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Like `writeDurableSync`, without blocking the event loop. `mode` defaults to 0600. */
export async function writeDurable(path: string, data: string | Uint8Array, mode = FILE_MODE): Promise<void> {
  const temp = tempBeside(path);
  try {
    const handle = await open(temp, 'wx', mode);
    try {
      await handle.writeFile(data);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temp, path);
  } catch (error) {
    await rm(temp, { force: true });
    throw error;
  }
  await syncDirectory(dirname(path));
}

/**
 * Writes a stream to the new file `path` and flushes its bytes (not its name: the caller renames it, or flushes the tree it
 * lies in; with `flush` false its bytes as well). `check` is given the size so far and throws to end it. What could not be
 * written whole is removed again.
 * Returns size and sha256 of what was written.
 */
export async function writeStream(
  path: string,
  source: AsyncIterable<Uint8Array>,
  options: { check: (size: number) => void; mode?: number; flush?: boolean },
): Promise<{ size: number; sha256: string }> {
  const handle = await open(path, 'wx', options.mode ?? FILE_MODE);
  try {
    const hash = createHash('sha256');
    let size = 0;
    for await (const bytes of source) {
      size += bytes.length;
      options.check(size);
      hash.update(bytes);
      for (let done = 0; done < bytes.length;) {
        done += (await handle.write(bytes, done, bytes.length - done)).bytesWritten;
      }
    }
    if (options.flush !== false) await handle.sync();
    await handle.close();
    return { size, sha256: hash.digest('hex') };
  } catch (error) {
    await handle.close().catch(() => undefined);
    await rm(path, { force: true });
    throw error;
  }
}

/** Like `createDurableSync`, without blocking the event loop. */
export async function createDurable(path: string, data: string | Uint8Array): Promise<boolean> {
  const temp = tempBeside(path);
  try {
    const handle = await open(temp, 'wx', FILE_MODE);
    try {
      await handle.writeFile(data);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await link(temp, path);
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(temp, { force: true });
  }
  await syncDirectory(dirname(path));
  return true;
}

/** Renames a file or directory on one file system, durably in both parents. */
export async function renameDurable(from: string, to: string): Promise<void> {
  await rename(from, to);
  await syncDirectory(dirname(to));
  if (dirname(from) !== dirname(to)) await syncDirectory(dirname(from));
}

/** Removes a file durably; fine when it does not exist. */
export async function removeDurable(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return;
    throw error;
  }
  await syncDirectory(dirname(path));
}

/** Like `readIfExistsSync`, without blocking the event loop. */
export async function readIfExists(path: string): Promise<Buffer | null> {
  try {
    return await readFile(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw error;
  }
}

/**
 * Like `writeDurable`, from pieces that are made as they are written, so that nothing is held whole. Temps an earlier
 * call left beside `path` when it was killed are removed. Returns the sha256 of what was written.
 */
export async function writeDurablePieces(path: string, pieces: AsyncIterable<string>): Promise<string> {
  const directory = dirname(path);
  const left = (await readdir(directory)).filter((name) => name.startsWith(`${TEMP_PREFIX}${basename(path)}-`));
  for (const name of left) await rm(join(directory, name), { force: true });
  const temp = tempBeside(path);
  const hash = createHash('sha256');
  try {
    const handle = await open(temp, 'wx', FILE_MODE);
    try {
      for await (const piece of pieces) {
        hash.update(piece);
        await handle.writeFile(piece);
      }
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temp, path);
  } catch (error) {
    await rm(temp, { force: true });
    throw error;
  }
  await syncDirectory(directory);
  return hash.digest('hex');
}

/** A file that grows for people to look at, and may be lost: nothing of it is flushed. */
export interface View {
  append(text: string): Promise<void>;
  close(): Promise<void>;
}

/** Replaces `path` by a view that holds `pieces`; whoever had the old file open keeps it. */
export async function openView(path: string, pieces: AsyncIterable<string>): Promise<View> {
  const temp = tempBeside(path);
  const handle = await open(temp, 'wx', FILE_MODE);
  try {
    for await (const piece of pieces) await handle.writeFile(piece);
    await rename(temp, path);
  } catch (error) {
    await handle.close();
    await rm(temp, { force: true });
    throw error;
  }
  return { append: (text) => handle.writeFile(text), close: () => handle.close() };
}
