/**
 * One look for orphans: what it is taken with, and how a finding is written down. Looking changes nothing, follows no
 * symlink, and takes only "does not exist" for absent.
 */
import type { Dirent, Stats } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { AttemptContext } from '../../attempts/context.ts';
import type { ProcessScan } from '../../keeper/processes.ts';
import { isTempName, TEMP_PREFIX } from '../../kernel/durable.ts';
import { sha256 } from '../../kernel/hash.ts';
import { errnoOf } from '../../kernel/result.ts';
import type { Orphan } from '../../lifecycle/orphan.ts';

export interface Look {
  ctx: AttemptContext;
  /** Milliseconds since 1970. */
  now: number;
  processes: ProcessScan;
  /** Ids whose removal is under way. */
  due: ReadonlySet<string>;
  signal: AbortSignal;
}

/** Whatever is younger may be somebody's work of this moment, milliseconds (04: temp files older than 10 min). */
export const YOUNG_MS = 10 * 60_000;

type Found = Pick<Orphan, 'kind' | 'ours' | 'why' | 'action' | 'note'> &
  Partial<Pick<Orphan, 'path' | 'identity' | 'jobId' | 'ageMs'>>;

/** Writes a finding down. Its id depends on what it is and where, not on when it was seen. */
export function describeOrphan({ ctx }: Look, found: Found): Orphan {
  const { path = null, identity = null, jobId = null, ageMs = null, ...rest } = found;
  const where = path === null ? '' : relative(ctx.home.root, path);
  const id = `orph_${sha256([found.kind, where, identity ?? ''].join('\0')).slice(0, 20)}`;
  // What is not provably ours is reported and never touched.
  return { id, path, identity, jobId, ageMs, ...rest, action: found.ours ? found.action : 'none' };
}

/** Returns the entry itself, never what a symlink leads to; null when there is none. */
export async function lookAt(path: string): Promise<Stats | null> {
  try {
    return await lstat(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw error;
  }
}

/** Milliseconds since the entry was last written. */
export function ageOf({ now }: Look, stat: Stats): number {
  return Math.max(0, now - Math.floor(stat.mtimeMs));
}

/** Returns the entries of a directory by name; none when it is no directory, or a symlink. */
export async function listEntries(path: string): Promise<Dirent[]> {
  const stat = await lookAt(path);
  if (stat === null || !stat.isDirectory()) return [];
  try {
    const entries = await readdir(path, { withFileTypes: true });
    return entries.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

/** Finds temp files that a crash left directly in a directory. */
export async function* findTemps(
  look: Look,
  where: { directory: string; entries: readonly Dirent[]; jobId?: string },
): AsyncGenerator<Orphan> {
  const { directory, entries, jobId = null } = where;
  for (const entry of entries) {
    if (!entry.name.startsWith(TEMP_PREFIX)) continue;
    const path = join(directory, entry.name);
    const stat = await lookAt(path);
    if (stat === null) continue;
    const ageMs = ageOf(look, stat);
    if (ageMs < YOUNG_MS) continue;
    const ours = stat.isFile() && isTempName(entry.name);
    const why = ours
      ? 'only Holdfast writes files of this name here, and each is renamed or removed within moments'
      : 'it is not a file with the name of a temp file';
    yield describeOrphan(look, {
      kind: 'temp-file',
      path,
      jobId,
      ageMs,
      ours,
      why,
      action: 'remove',
      note: 'left half-written by a crash',
    });
  }
}

/** Splits a list into parts the store takes at once. */
export function* inParts<T>(items: readonly T[], size = 500): Generator<T[]> {
  for (let from = 0; from < items.length; from += size) yield items.slice(from, from + size);
}
