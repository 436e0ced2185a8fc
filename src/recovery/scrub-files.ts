/** What is kept of jobs beside their run directories, and the mirrors: against the hashes the store recorded of them. */
import { join, relative } from 'node:path';
import { openPlainFile } from '../keeper/plain-file.ts';
import { fail } from '../kernel/errors.ts';
import { isShortage, messageOf } from '../kernel/result.ts';
import type { Home } from '../lifecycle/home.ts';
import type { Job } from '../lifecycle/job.ts';
import type { Repository } from '../lifecycle/repository.ts';
import { isTerminal } from '../lifecycle/transitions.ts';
import type { NewQuarantine } from '../store/quarantine-store.ts';
import type { Store } from '../store/store.ts';
import { checkMirrorObjects, measureObjects } from '../workspace/check-objects.ts';
import { exists } from '../workspace/remove-tree.ts';
import { hashFile } from './backup/hash-file.ts';
import type { ScrubKind, ScrubPart } from './scrub.ts';

/** Of a larger mirror only names, commits and trees are read; `doctor --deep` reads all of it. */
const FULL_UP_TO_BYTES = 64 * 2 ** 20;

interface KeptLook {
  home: Home;
  job: Job;
  hashUpTo: number;
}

/** What the check of kept files asks a store. */
export type KeptReader = Pick<Store, 'getJob' | 'listJobFiles' | 'listEvidence'>;

/**
 * Returns what is wrong with the transcript of an ended job, with the files that were sent for it and with its evidence. Of
 * what is longer than `hashUpTo` bytes only the length is held against what was recorded.
 */
export async function inspectKept(store: KeptReader, look: KeptLook): Promise<ScrubPart> {
  const part = await lookAtKept(store, look);
  if (part.found.length === 0) return part;
  // Removed, retried or given another file in between: what was found may be right.
  const job = await store.getJob(look.job.id);
  return job === null ? { ...part, found: [] } : lookAtKept(store, { ...look, job });
}

async function lookAtKept(store: KeptReader, { home, job, hashUpTo }: KeptLook): Promise<ScrubPart> {
  const part: ScrubPart = { checked: {}, found: [] };
  const look = async (kind: string, path: string, recorded: Recorded): Promise<void> => {
    part.checked[kind] = (part.checked[kind] ?? 0) + 1;
    const why = await compareFile(path, recorded, hashUpTo);
    if (why !== null) part.found.push({ kind, item: relative(home.root, path), path, why, jobId: job.id });
  };
  // While a job works, its transcript is a view that grows.
  if (isTerminal(job.state) && job.transcriptSha256 !== null)
    await look('transcript', home.transcript(job.id), { sha256: job.transcriptSha256, bytes: null });
  for (const { sha256, name, size } of await store.listJobFiles(job.id))
    await look('upload', join(home.staging(job.id), sha256, name), { sha256, bytes: size });
  // The same bytes may be evidence twice, under two kinds: they are one file. Only a pipeline has any.
  const evidence = job.plan === null ? [] : await store.listEvidence(job.id);
  for (const { sha256, bytes } of new Map(evidence.map((one) => [one.sha256, one])).values())
    await look('evidence', join(home.evidence(job.id), sha256), { sha256, bytes });
  return part;
}

interface Recorded {
  sha256: string;
  /** Null where the length was not recorded. */
  bytes: number | null;
}

async function compareFile(path: string, recorded: Recorded, hashUpTo: number): Promise<string | null> {
  try {
    const size = await sizeOf(path);
    if (size === null) return 'it is missing';
    if (recorded.bytes !== null && size !== recorded.bytes)
      return `it holds ${size} bytes, ${recorded.bytes} were recorded`;
    if (size > hashUpTo) return null;
    return (await hashFile(path)).sha256 === recorded.sha256 ? null : 'it does not match the hash that was recorded';
  } catch (error) {
    if (isShortage(error)) throw error;
    return messageOf(error);
  }
}

async function sizeOf(path: string): Promise<number | null> {
  await using handle = await openPlainFile(path);
  return handle === null ? null : (await handle.stat()).size;
}

/** Returns the check of the mirror of every repository, one after the other. */
export function scrubMirrors(store: Pick<Store, 'listRepositories' | 'getRepository'>, home: Home): ScrubKind {
  return {
    name: 'mirrors',
    async run(take, signal) {
      const failed: string[] = [];
      for (const repository of await store.listRepositories()) {
        if (signal.aborted) return;
        if (repository.cloneState !== 'ready') continue;
        try {
          const found = await inspectMirror(home, repository, signal);
          const isThere = found.length === 0 || (await store.getRepository(repository.name))?.id === repository.id;
          await take({ checked: { mirror: 1 }, found: isThere ? found : [] });
        } catch (error) {
          if (signal.aborted) return;
          failed.push(`${repository.name}: ${messageOf(error)}`);
        }
      }
      if (failed.length > 0) throw fail('git-failed', failed.join('; '));
    },
  };
}

async function inspectMirror(home: Home, { id, name }: Repository, signal: AbortSignal): Promise<NewQuarantine[]> {
  const path = home.mirror(id);
  const damaged = (why: string): NewQuarantine[] => [{ kind: 'mirror', item: name, path, why, jobId: null }];
  if (!(await exists(path))) return damaged('it is missing');
  const look = async (): Promise<string[]> => {
    const isSmall = (await measureObjects(path, signal)) <= FULL_UP_TO_BYTES;
    return checkMirrorObjects(path, { signal, contents: isSmall });
  };
  // What a fetch is just writing may look torn for a moment; damage stays.
  const faults = (await look()).length === 0 ? [] : await look();
  return faults.length === 0 ? [] : damaged(faults.join('; '));
}
