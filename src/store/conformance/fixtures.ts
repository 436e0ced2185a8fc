/** What every part of the conformance suite begins with. */
import { DEFAULT_LIMITS, type Job } from '../../lifecycle/job.ts';
import type { RecoveryReport } from '../../lifecycle/report.ts';
import type { Attempt } from '../../lifecycle/attempt.ts';
import type { Boot, NewAttempt, NewJob, NewRepository, Store } from '../store.ts';

/** A store under test: started, empty, and its own. */
export interface StoreHarness {
  store: Store;
  /** Stops the store, opens what it left, and returns the new one. */
  reopen: () => Promise<Store>;
  /** Stops it and removes everything it made. */
  cleanup: () => Promise<void>;
}

export type OpenHarness = () => Promise<StoreHarness>;

/** Runs `body` with a fresh store that has the repository `app`, and cleans up. */
export async function withStore(open: OpenHarness, body: (harness: StoreHarness) => Promise<void>): Promise<void> {
  const harness = await open();
  try {
    await harness.store.addRepository(newRepository());
    await body(harness);
  } finally {
    await harness.cleanup();
  }
}

/** A repository `app` to register. */
export function newRepository(overrides: Partial<NewRepository> = {}): NewRepository {
  return {
    name: 'app',
    source: '/srv/app',
    sourceKind: 'path',
    base: 'main',
    verify: [['npm', 'test']],
    merge: false,
    trusted: false,
    concurrency: 3,
    command: null,
    ...overrides,
  };
}

/** A job of `app` to accept. */
export function newJob(overrides: Partial<NewJob> = {}): NewJob {
  return {
    repository: 'app',
    prompt: 'add a test',
    command: null,
    agent: 'scripted',
    pipeline: 'implement',
    priority: 0,
    onInterrupt: 'continue',
    limits: DEFAULT_LIMITS,
    deadlineMs: null,
    start: true,
    principal: 'local',
    idempotency: null,
    ...overrides,
  };
}

/** What a start that found nothing reports. */
export function newReport(overrides: Partial<RecoveryReport> = {}): RecoveryReport {
  return {
    bootId: 'boot_1',
    previousBootId: null,
    previousStop: 'crash',
    downSeconds: 3,
    recoveryMs: 12,
    phases: [],
    jobs: [],
    locks: [],
    leases: [],
    deliveries: [],
    removals: [],
    orphans: [],
    corruption: { checked: 0, ok: 0, corrupt: 0, rate: 0, files: [], complete: false },
    degraded: [],
    warnings: [],
    ...overrides,
  };
}

/** A start to record. */
export function newBoot(id: string, overrides: Partial<Boot> = {}): Omit<Boot, 'readyAt' | 'stoppedAt' | 'report'> {
  return {
    id,
    previousId: null,
    hostBoot: 'host-boot',
    host: null,
    pid: 4711,
    startedAt: 1_700_000_000_000,
    previousStop: 'unknown',
    ...overrides,
  };
}

/** Accepts a job of `app`. */
export async function accept(store: Store, overrides: Partial<NewJob> = {}): Promise<Job> {
  return (await store.acceptJob(newJob(overrides))).job;
}

/** Claims exactly the next job. */
export async function claimNext(store: Store): Promise<Job> {
  const [job] = await store.claimJobs({ boot: 'boot_a', hostLimit: 1000, max: 1 });
  if (job === undefined) throw new Error('there was nothing to claim');
  return job;
}

/** An attempt of a claimed job to intend. */
export function newAttempt(job: Job, overrides: Partial<NewAttempt> = {}): NewAttempt {
  return { jobId: job.id, fence: job.fence, mode: 'cold', sessionId: null, boot: 'boot_a', ...overrides };
}

/** Claims the next job and makes its attempt. */
export async function launchNext(store: Store): Promise<{ job: Job; attempt: Attempt }> {
  return store.intendAttempt(newAttempt(await claimNext(store)));
}

/** Ends a launched attempt and its job well. */
export async function completeNext(store: Store): Promise<Job> {
  const { job, attempt } = await launchNext(store);
  const owner = { fence: job.fence, actor: 'owner' };
  const settled = await store.settleAttempt(
    { id: attempt.id, transition: 'finish', set: { exitCode: 0 }, ...owner },
    { id: job.id, transition: 'complete', set: { exitCode: 0 }, ...owner },
  );
  return settled.job;
}

/** Kinds of the events after a sequence, oldest first. */
export async function listKinds(store: Store, after: number): Promise<string[]> {
  const events = await store.listEvents({ after, limit: 1000 });
  return events.map(({ kind }) => kind);
}

/** The job as the store has it now. */
export async function reload(store: Store, job: { id: string }): Promise<Job> {
  const found = await store.getJob(job.id);
  if (found === null) throw new Error(`job ${job.id} is gone`);
  return found;
}
