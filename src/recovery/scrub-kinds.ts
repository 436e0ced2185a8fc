import { dirname, join, relative } from 'node:path';
import { verifyRun } from '../keeper/verify-run.ts';
import { delay } from '../kernel/backoff.ts';
import type { Attempt } from '../lifecycle/attempt.ts';
import type { Home } from '../lifecycle/home.ts';
import type { Job } from '../lifecycle/job.ts';
import type { NewQuarantine } from '../store/quarantine-store.ts';
import type { Store } from '../store/store.ts';
import { inspectKept, type KeptReader } from './scrub-files.ts';
import type { ScrubKind, ScrubPart } from './scrub.ts';

/** Run directories looked at in one go: a few milliseconds of the event loop at most. */
const AT_ONCE = 8;
/** Rests this many times as long as it has worked. */
const REST = 3;
const PAGE = 200;
/** Longer output is held against its length only; `doctor --deep` hashes all of it. */
const HASH_UP_TO_BYTES = 16 * 2 ** 20;

/** Returns the check of everything in the database. */
export function scrubStore(store: Store, home: Home): ScrubKind {
  return {
    name: 'the store',
    async run(take, signal) {
      // In order, and after the last one: what is found must be set aside before the check counts as done.
      let taken: Promise<void> = Promise.resolve();
      await store.scrub(({ checked, corrupt }) => {
        const found = corrupt.map((one) => describeRecord(one, home));
        taken = taken.then(() => take({ checked, found }));
      }, signal);
      await taken;
    },
  };
}

/** Returns a damaged record of the store as it is set aside. */
export function describeRecord(one: { kind: string; id: string; why: string }, home: Home): NewQuarantine {
  const { kind, id, why } = one;
  const path = kind === 'witness' ? join(dirname(home.database), id) : home.database;
  return { kind, item: id, path, why, jobId: kind === 'job' ? id : null };
}

/** What the check of the files of jobs asks a store. */
export type JobReader = Pick<Store, 'listJobs' | 'listAttempts'> & KeptReader;

/**
 * Returns the check of what jobs left on the disk (run directories of attempts that are over, transcripts, files that were
 * sent for them) against what the store recorded of it.
 */
export function scrubRuns(store: JobReader, home: Home, hashUpTo = HASH_UP_TO_BYTES): ScrubKind {
  return {
    name: 'files of jobs',
    async run(take, signal) {
      for (let cursor: string | null = null; !signal.aborted;) {
        const page = await store.listJobs({ limit: PAGE, ...(cursor === null ? {} : { cursor }) });
        for (let from = 0; from < page.items.length && !signal.aborted; from += AT_ONCE) {
          const began = performance.now();
          const jobs = page.items.slice(from, from + AT_ONCE);
          const parts = await Promise.all(jobs.map((job) => inspectJob(store, home, { job, hashUpTo })));
          await take(joinParts(parts));
          await delay(REST * (performance.now() - began));
        }
        cursor = page.nextCursor;
        if (cursor === null) return;
      }
    },
  };
}

async function inspectJob(
  store: JobReader,
  home: Home,
  { job, hashUpTo }: { job: Job; hashUpTo: number },
): Promise<ScrubPart> {
  const parts: ScrubPart[] = [];
  for (const attempt of await store.listAttempts(job.id)) parts.push(await inspectAttempt(home, attempt, hashUpTo));
  const whole = joinParts([...parts, await inspectKept(store, { home, job, hashUpTo })]);
  // It may have been removed in between: its files were right to go.
  return whole.found.length > 0 && (await store.getJob(job.id)) === null ? { ...whole, found: [] } : whole;
}

async function inspectAttempt(home: Home, attempt: Attempt, hashUpTo: number): Promise<ScrubPart> {
  const { state, id: attemptId, jobId } = attempt;
  if (state !== 'finished' && state !== 'interrupted' && state !== 'never_ran') return { checked: {}, found: [] };
  const runDir = home.runDirectory(jobId, attempt.number);
  const recorded = { ...attempt, state, verdict: attempt.verdict };
  const { checked, faults } = await verifyRun({ runDir, attemptId, recorded, hashUpTo });
  const found = faults.map(({ kind, path, why }) => ({ kind, item: relative(home.root, path), path, why, jobId }));
  return { checked, found };
}

function joinParts(parts: readonly ScrubPart[]): ScrubPart {
  const whole: ScrubPart = { checked: {}, found: [] };
  for (const { checked, found } of parts) {
    for (const [kind, count] of Object.entries(checked)) whole.checked[kind] = (whole.checked[kind] ?? 0) + count;
    whole.found.push(...found);
  }
  return whole;
}
