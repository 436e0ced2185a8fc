/**
 * Durable no-op jobs per second through the store, each answer behind an fsync, with 1, 16, 64 and 256 callers in
 * flight, beside the rate at which the same disk flushes a 4 KiB write. Two shapes: queue → claim → settle, and the same
 * with an attempt intended and ended in between.
 */
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteStore } from '../src/store/sqlite/sqlite-store.ts';
import type { Store } from '../src/store/store.ts';
import { makeNewJob } from './new-job.ts';

/** `job`: three requests, three events. `attempt`: four requests, six events. */
export type StoreBenchShape = 'job' | 'attempt';

export interface StoreBenchRow {
  shape: StoreBenchShape;
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
  shapes?: readonly StoreBenchShape[];
  runs?: number;
}

const NEW_JOB = makeNewJob('bench');

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

async function carryOutJob(store: Store, shape: StoreBenchShape): Promise<void> {
  await store.acceptJob(NEW_JOB);
  const [job] = await store.claimJobs({ boot: 'boot', hostLimit: 1_000_000, max: 1 });
  if (job === undefined) throw new Error('nothing to claim after an acceptance');
  const owner = { fence: job.fence, actor: 'bench' };
  if (shape === 'job') {
    await store.moveJob({ id: job.id, transition: 'fail', ...owner });
    return;
  }
  const intent = { jobId: job.id, fence: job.fence, mode: 'cold', sessionId: null, boot: 'boot' } as const;
  const { attempt } = await store.intendAttempt(intent);
  await store.settleAttempt(
    { id: attempt.id, transition: 'finish', set: { exitCode: 0 }, ...owner },
    { id: job.id, transition: 'complete', set: { exitCode: 0 }, ...owner },
  );
}

async function runJobs(store: Store, run: { shape: StoreBenchShape; callers: number; jobs: number }): Promise<number> {
  const { shape, callers, jobs } = run;
  let left = jobs;
  const work = async (): Promise<void> => {
    while (left-- > 0) await carryOutJob(store, shape);
  };
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: callers }, work));
  return jobs / ((performance.now() - startedAt) / 1000);
}

/** Measures one shape with one number of callers on a fresh store. */
async function benchOne(
  directory: string,
  { shape, callers, runs }: { shape: StoreBenchShape; callers: number; runs: number },
): Promise<StoreBenchRow> {
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
    const jobs = Math.max(200, callers * 40);
    await runJobs(store, { shape, callers, jobs });
    const rates: number[] = [];
    const syncs: number[] = [];
    for (let run = 0; run < runs; run++) {
      syncs.push(measureSyncs(scratch));
      rates.push(await runJobs(store, { shape, callers, jobs }));
    }
    const { commitMsP50, commitMsP99 } = await store.stats();
    const [jobsPerSecond, syncsPerSecond] = [median(rates), median(syncs)];
    return {
      shape,
      callers,
      jobsPerSecond,
      syncsPerSecond,
      ratio: jobsPerSecond / syncsPerSecond,
      commitMsP50,
      commitMsP99,
    };
  } finally {
    await store.stop();
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Measures the store and returns one row per shape and number of callers. Takes a minute at most; leaves nothing. */
export async function benchStore(options: StoreBenchOptions = {}): Promise<StoreBenchRow[]> {
  const { directory = tmpdir(), callers = [1, 16, 64, 256], shapes = ['job', 'attempt'], runs = 5 } = options;
  const rows: StoreBenchRow[] = [];
  for (const shape of shapes) {
    for (const count of callers) rows.push(await benchOne(directory, { shape, callers: count, runs }));
  }
  return rows;
}
