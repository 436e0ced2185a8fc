/** The reports of tests that a gate left where the operator said: read as what an agent's work wrote, never trusted. */
import { opendir } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { isShortage } from '../../kernel/result.ts';
import { safeOpen } from '../../workspace/safe-open.ts';

/** Files of one run at most, and names looked at in one directory. */
const MAX_FILES = 50;
const MAX_NAMES = 10_000;

export interface ReportSearch {
  /** Directory the gate ran in. */
  root: string;
  /** Relative paths; in the last part `*` stands for any characters. */
  patterns: readonly string[];
  /** What was last changed before is of an earlier run, or was committed: milliseconds since 1970. */
  since: number;
  /** Bytes of all of them at most. */
  maxBytes: number;
}

/** Returns the reports of a run, in the order of their names; null where they are too many or too long, or cannot be read. */
export async function readReports(search: ReportSearch): Promise<Buffer[] | null> {
  const { root, since, maxBytes } = search;
  const found: Buffer[] = [];
  let bytes = 0;
  try {
    for (const path of await listPaths(search)) {
      await using handle = await safeOpen(root, path);
      const stat = await handle.stat();
      if (stat.ctimeMs < since) continue;
      bytes += stat.size;
      if (bytes > maxBytes || found.length >= MAX_FILES) return null;
      found.push(await handle.readFile());
    }
  } catch (error) {
    // A report says nothing of the result: one that cannot be read is none.
    if (isShortage(error)) throw error;
    return null;
  }
  return found;
}

async function listPaths({ root, patterns }: ReportSearch): Promise<string[]> {
  const found = new Set<string>();
  for (const pattern of patterns) {
    const directory = posix.dirname(pattern);
    const matches = matcherOf(posix.basename(pattern));
    for (const name of await listNames(join(root, directory))) {
      if (matches(name)) found.add(directory === '.' ? name : `${directory}/${name}`);
    }
  }
  return [...found].toSorted();
}

function matcherOf(pattern: string): (name: string) => boolean {
  const parts = pattern.split('*').map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  const expression = new RegExp(`^${parts.join('[^/]*')}$`);
  return (name) => expression.test(name);
}

/** Names only: whatever is behind one is opened through no link. None where there is no such directory. */
async function listNames(directory: string): Promise<string[]> {
  const names: string[] = [];
  try {
    for await (const entry of await opendir(directory)) {
      if (names.push(entry.name) >= MAX_NAMES) break;
    }
  } catch (error) {
    if (isShortage(error)) throw error;
  }
  return names;
}
