/**
 * Durable no-op jobs per second through the store: accept → claim → intend → settle, each answer behind an fsync, with
 * 1, 16, 64 and 256 callers in flight, beside the rate at which the same disk flushes a 4 KiB write.
 */
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DEFAULT_LIMITS } from '../src/lifecycle/job.ts';
import { openSqliteStore } from '../src/store/sqlite/sqlite-store.ts';
import type { NewJob, Store } from '../src/store/store.ts';

export interface StoreBenchRow {
  callers: number;
  /** Median of the runs. */
  jobsPerSecond: number;
  /** 4 KiB appends with fdatasync per second on the same disk, measured between the runs. */
  syncsPerSecond: number;
  /** Jobs per flush the disk can do: above 1 only because commits are shared. */
  ratio: number;
  commitMsP50: number;
  commitMsP99: number;
}

export interface StoreBenchOptions {
  /** Directory on the disk to measure. */
  directory?: string;
  callers?: readonly number[];
  runs?: number;
}

const NEW_JOB: NewJob = {
  repository: 'bench',
  prompt: 'no-op',
  command: ['true'],
  agent: 'exec',
  pipeline: 'implement',
  priority: 0,
  onInterrupt: 'continue',
  limits: DEFAULT_LIMITS,
  deadlineMs: null,
  start: true,
  principal: 'local',
  idempotency: null,
};

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

/** Returns how many 4 KiB appends per second the disk of `directory` flushes, over about 0.3 s. */
function measureSyncs(directory: string): number {
  const path = join(directory, 'sync');
  const fd = openSync(path, 'w');
  const block = Buffer.alloc(4096, 1);
  const startedAt = performance.now();
  let syncs = 0;
  while (performance.now() - startedAt < 300) {
    writeSync(fd, block);
    fdatasyncSync(fd);
    syncs++;
  }
  const seconds = (performance.now() - startedAt) / 1000;
  closeSync(fd);
  rmSync(path);
  return syncs / seconds;
}

async function carryOutJob(store: Store): Promise<void> {
  await store.acceptJob(NEW_JOB);
  const [job] = await store.claimJobs({ boot: 'boot', hostLimit: 1_000_000, max: 1 });
  if (job === undefined) throw new Error('nothing to claim after an acceptance');
  const owner = { fence: job.fence, actor: 'bench' };
  const intent = { jobId: job.id, fence: job.fence, mode: 'cold', sessionId: null, boot: 'boot' } as const;
  const { attempt } = await store.intendAttempt(intent);
  await store.settleAttempt(
    { id: attempt.id, transition: 'finish', set: { exitCode: 0 }, ...owner },
    { id: job.id, transition: 'complete', set: { exitCode: 0 }, ...owner },
  );
}

async function runJobs(store: Store, callers: number, jobs: number): Promise<number> {
  let left = jobs;
  const work = async (): Promise<void> => {
    while (left-- > 0) await carryOutJob(store);
  };
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: callers }, work));
  return jobs / ((performance.now() - startedAt) / 1000);
}

/** Measures the store and returns one row per number of callers. Takes a few seconds; leaves nothing behind. */
export async function benchStore(options: StoreBenchOptions = {}): Promise<StoreBenchRow[]> {
  const { directory = tmpdir(), callers = [1, 16, 64, 256], runs = 5 } = options;
  const rows: StoreBenchRow[] = [];
  for (const count of callers) {
    const scratch = mkdtempSync(join(directory, 'holdfast-bench-'));
    const store = openSqliteStore({ path: join(scratch, 'holdfast.db') });
    try {
      await store.start();
      await store.addRepository({
        name: 'bench',
        source: scratch,
        sourceKind: 'path',
        base: 'main',
        verify: [],
        merge: false,
        trusted: false,
        concurrency: 1_000_000,
        command: null,
      });
      const jobs = Math.max(200, count * 40);
      await runJobs(store, count, jobs);
      const rates: number[] = [];
      const syncs: number[] = [];
      for (let run = 0; run < runs; run++) {
        syncs.push(measureSyncs(scratch));
        rates.push(await runJobs(store, count, jobs));
      }
      const { commitMsP50, commitMsP99 } = await store.stats();
      const [jobsPerSecond, syncsPerSecond] = [median(rates), median(syncs)];
      const ratio = jobsPerSecond / syncsPerSecond;
      rows.push({ callers: count, jobsPerSecond, syncsPerSecond, ratio, commitMsP50, commitMsP99 });
    } finally {
      await store.stop();
      rmSync(scratch, { recursive: true, force: true });
    }
  }
  return rows;
}
