/** What lies outside of the proof and must stay as it is: looked at before and after. */
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../../kernel/result.ts';

/** Deeper than this, and beyond this many entries, a tree is not looked into. */
const MAX_DEPTH = 4;
const MAX_ENTRIES = 20_000;

/** Paths with size and times of each. */
export type Snapshot = Map<string, string>;

/** Returns how the entries below the roots look now; a root that is not there is an entry too. */
export async function lookAt(roots: readonly string[]): Promise<Snapshot> {
  const seen: Snapshot = new Map();
  for (const root of roots) await look(root, 0, seen);
  return seen;
}

async function look(path: string, depth: number, seen: Snapshot): Promise<void> {
  if (seen.size >= MAX_ENTRIES) return;
  try {
    const stat = await lstat(path, { bigint: true });
    seen.set(path, `${stat.ino}:${stat.size}:${stat.mtimeNs}`);
    if (!stat.isDirectory() || depth >= MAX_DEPTH) return;
    for (const name of (await readdir(path)).toSorted()) await look(join(path, name), depth + 1, seen);
  } catch (error) {
    const errno = errnoOf(error);
    // What may not be read cannot have been written by us either; what is gone by now is told by its absence.
    if (errno === null) throw error;
    seen.set(path, errno);
  }
}

/** Returns the paths that are not what they were, at most 20. */
export function compare(before: Snapshot, after: Snapshot): string[] {
  const changed: string[] = [];
  for (const path of new Set([...before.keys(), ...after.keys()])) {
    if (before.get(path) !== after.get(path)) changed.push(path);
    if (changed.length >= 20) break;
  }
  return changed;
}
