import { lstat, readdir, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { fail } from '../kernel/errors.ts';
import { syncDirectory } from '../kernel/durable.ts';
import { errnoOf } from '../kernel/result.ts';
import { listMounts } from './mounts.ts';
import { runChild } from './run-child.ts';
import { plainEnvironment } from './safe-git.ts';

const REMOVE_TIMEOUT_MS = 1_800_000;

/** Operation names become parts of file names and of environments. Throws `bad-name` for anything else. */
export function checkOperation(op: string): void {
  if (!/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$/.test(op)) throw fail('bad-name', `"${op}" cannot name an operation`);
}

/** Whether something has this name; a symlink counts, wherever it leads. Every errno but ENOENT is thrown. */
export async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}

/**
 * Deletes `path` and everything below it; fine when it does not exist. Symlinks are deleted, never followed, and a
 * tree with something mounted in it is refused. This is `rm` of the system: it walks by directory handles, so it
 * cannot be led out of the tree by a rename while it works, and no depth of directories is too long for it.
 */
export async function removeTree(path: string, op?: string): Promise<void> {
  if (!(await exists(path))) return;
  const inside = `${await realpathOfEntry(path)}/`;
  const mount = (await listMounts()).find((entry) => `${entry.mountPoint}/`.startsWith(inside));
  if (mount !== undefined)
    throw fail('workspace-unsafe', `${mount.mountPoint} is mounted inside what is to be deleted`);
  if ((await runRemove(['rm', '-rf', '--', path], op)) === null) return;
  // Read-only directories stop a user who is not root; chmod does not follow symlinks below its argument.
  if ((await lstat(path)).isDirectory()) await runRemove(['chmod', '-R', 'u+rwX', '--', path], op);
  const problem = await runRemove(['rm', '-rf', '--', path], op);
  if (problem !== null) throw fail('storage-failed', `${path} cannot be deleted: ${problem}`);
}

/** Deletes the entries of `directory` that `isLeftover` names, durably. Returns their names. */
export async function removeLeftovers(directory: string, isLeftover: (name: string) => boolean): Promise<string[]> {
  const names = (await listNames(directory)).filter(isLeftover);
  for (const name of names) await removeTree(join(directory, name));
  if (names.length > 0) await syncDirectory(directory);
  return names;
}

/**
 * Makes something at `path`; when that fails, what there is of it is removed, because a half-made clone may be what
 * fills the disk. A removal that fails as well is left to the next try, which starts by removing leftovers.
 */
export async function removeOnFailure(path: string, make: () => Promise<void>): Promise<void> {
  try {
    await make();
  } catch (error) {
    await removeTree(path).catch(() => undefined);
    throw error;
  }
}

/** Returns the names in a directory, none when it does not exist. */
export async function listNames(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

/** The real path of the entry itself: its parents resolved, its own name kept. */
async function realpathOfEntry(path: string): Promise<string> {
  const parent = await realpath(join(path, '..'));
  return join(parent, path.replace(/\/+$/, '').split('/').at(-1) ?? '');
}

async function runRemove(argv: string[], op: string | undefined): Promise<string | null> {
  const child = { argv, cwd: '/', env: plainEnvironment(), timeoutMs: REMOVE_TIMEOUT_MS, maxBytes: 4096, op };
  const result = await runChild(child);
  if (result.code === 0) return null;
  return result.timedOut ? 'it took too long' : result.stderr.trim().slice(-500);
}
