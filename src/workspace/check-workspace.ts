import { lstat, readdir, realpath } from 'node:fs/promises';
import type { Stats } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { errnoOf } from '../kernel/result.ts';

async function look(path: string): Promise<Stats | null> {
  try {
    return await lstat(path);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return null;
    throw error;
  }
}

function kindOf(stat: Stats): string {
  if (stat.isSymbolicLink()) return 'a symlink';
  if (stat.isFile()) return 'a file';
  return stat.isDirectory() ? 'a directory' : 'neither file nor directory';
}

/** Why `path` is not a directory of ours, or null. */
async function whyNotOurDirectory(path: string, name: string): Promise<string | null> {
  const stat = await look(path);
  if (stat === null) return `${name} is missing`;
  if (!stat.isDirectory()) return `${name} is ${kindOf(stat)} instead of a directory`;
  const ours = process.geteuid?.();
  return ours === undefined || stat.uid === ours ? null : `${name} belongs to uid ${stat.uid}`;
}

/** Files that make a `.git` take its objects, refs or settings from somewhere else. */
const REDIRECTIONS = ['objects/info/alternates', 'objects/info/http-alternates', 'commondir'];

/**
 * Returns why the workspace cannot be trusted to be the one we made, or null: it or its `.git` was swapped for a
 * symlink or a file, belongs to someone else, or takes its objects from another repository (`mirrorDir` or any other).
 * Says nothing about settings and hooks inside its `.git`: those are never read.
 */
export async function checkWorkspace(workspaceDir: string, mirrorDir: string): Promise<string | null> {
  const git = join(workspaceDir, '.git');
  const directories: [string, string][] = [
    [workspaceDir, 'the workspace'],
    [git, '.git'],
    [join(git, 'objects'), '.git/objects'],
    [join(git, 'refs'), '.git/refs'],
  ];
  for (const [path, name] of directories) {
    const why = await whyNotOurDirectory(path, name);
    if (why !== null) return why;
  }
  // A parent that was swapped shows in the real path; the mirror must lie elsewhere.
  const real = await realpath(workspaceDir);
  if (real !== join(await realpath(dirname(workspaceDir)), basename(workspaceDir))) return 'the workspace was moved';
  const mirror = await realpath(mirrorDir).catch(() => mirrorDir);
  if (`${real}/`.startsWith(`${mirror}/`)) return 'the workspace lies inside the mirror';
  const head = await look(join(git, 'HEAD'));
  if (head === null || !head.isFile()) return `.git/HEAD is ${head === null ? 'missing' : kindOf(head)}`;
  for (const name of REDIRECTIONS) {
    if ((await look(join(git, name))) !== null) return `.git/${name} points it at another repository`;
  }
  return whySharedObjects(join(git, 'objects'));
}

/** Returns why a directory that holds workspaces cannot be trusted to be the one we made, or null. */
export async function checkWorkspaceRoot(path: string): Promise<string | null> {
  const why = await whyNotOurDirectory(path, 'the workspace');
  if (why !== null) return why;
  return (await realpath(path)) === join(await realpath(dirname(path)), basename(path))
    ? null
    : 'the workspace was moved';
}

/** Objects reached through a symlink or shared with another repository by a hard link could be changed from there. */
async function whySharedObjects(objects: string): Promise<string | null> {
  for (const entry of await readdir(objects, { withFileTypes: true })) {
    if (!entry.isDirectory() && !entry.isFile()) return `.git/objects/${entry.name} is not a directory`;
  }
  for (const folder of ['pack', 'info']) {
    const path = join(objects, folder);
    if ((await look(path)) === null) continue;
    for (const name of await readdir(path)) {
      const stat = await look(join(path, name));
      if (stat === null) continue;
      if (!stat.isFile()) return `.git/objects/${folder}/${name} is ${kindOf(stat)}`;
      if (stat.nlink !== 1) return `.git/objects/${folder}/${name} is shared by a hard link`;
    }
  }
  return null;
}
