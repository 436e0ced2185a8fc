import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { listNames, removeLeftovers, removeTree } from './remove-tree.ts';

/** One server serves a home, so scratch of any other process belongs to a dead one. */
const OURS = `scratch.${process.pid}-${randomBytes(6).toString('hex')}.`;
let made = 0;

/** Makes an empty directory below `parent` (a repository's folder in the home) for the files of one git command. */
export async function makeScratch(parent: string): Promise<string> {
  const path = join(parent, `${OURS}${++made}`);
  await mkdir(path, { mode: 0o700 });
  return path;
}

/** Removes a scratch directory. A git still ending in it may put something back; the next sweep gets that. */
export async function removeScratch(path: string): Promise<void> {
  await removeTree(path);
}

/** Removes scratch directories left in `parent` by earlier processes. */
export async function sweepScratch(parent: string): Promise<string[]> {
  if ((await listNames(parent)).every((name) => !name.startsWith('scratch.') || name.startsWith(OURS))) return [];
  return removeLeftovers(parent, (name) => name.startsWith('scratch.') && !name.startsWith(OURS));
}
