import { setMaxListeners } from 'node:events';
import type { ProcessScan } from '../keeper/processes.ts';
import { failpoint } from '../kernel/failpoints.ts';
import { messageOf } from '../kernel/result.ts';
import type { Service } from '../kernel/service.ts';
import type { Attempt } from '../lifecycle/attempt.ts';
import type { Job, JobIn } from '../lifecycle/job.ts';
import type { JournalEvent } from '../store/store.ts';
import { carryRun } from './carry-run.ts';
import type { AttemptContext } from './context.ts';
import type { Ending } from './decide.ts';
import { endAttempt } from './end-attempt.ts';
import { awaitClaim } from './follow-attempt.ts';
import { attachAttempt, followRun } from './follow-run.ts';
import { readyWorkspace, type Preparation } from './ready-workspace.ts';
import { resolveAttempt, type Resolution } from './resolve-attempt.ts';
import { cancelRun, openRun, type Run } from './run.ts';
import { handOff } from './stages/hand-off.ts';
import { bundleBase } from './stages/bundle-base.ts';
import { carryMerge } from './stages/merge.ts';
import { prepareStageCopy } from './stages/stage-copy.ts';
import { launchAttempt, startAttempt } from './start-attempt.ts';

/** What recovery is told of an attempt it handed over. */
export interface Adoption {
  resolution: Resolution;
  /** Set when the attempt was over and has been settled. */
  ending: Ending | null;
  attempt: Attempt;
  job: Job;
}

export interface Supervisor extends Service {
  /** Carries a claimed job through its next attempt, in the background. */
  begin(job: JobIn<'preparing'>): void;
  /** Takes up an attempt of an earlier server: follows what lives, settles what is over. */
  adopt(attempt: Attempt, job: Job, scan: ProcessScan): Promise<Adoption>;
  /**
   * Stops the attempt of a job through its keeper so that it is continued by a new one later; false when it has no keeper
   * that could be asked, or was asked already.
   */
  pause(jobId: string, reason: string): Promise<boolean>;
  /** Whether a paused job is still being stopped. */
  isPausing(): boolean;
  /** Jobs that have a process or are being prepared by this server. */
  countRuns(): number;
}

/** Returns the supervisor of all attempts of this server. */
export function createSupervisor(ctx: AttemptContext, preparation: Preparation): Supervisor {
  return new AttemptSupervisor(ctx, preparation);
}

class AttemptSupervisor implements Supervisor {
  readonly #ctx: AttemptContext;
  readonly #preparation: Preparation;
  readonly #runs = new Map<string, Run>();
  readonly #closing = new AbortController();
  #unsubscribe: (() => void) | null = null;

  constructor(ctx: AttemptContext, preparation: Preparation) {
    this.#ctx = ctx;
    this.#preparation = preparation;
    setMaxListeners(0, this.#closing.signal);
  }

  async start(): Promise<void> {
    this.#unsubscribe ??= this.#ctx.store.onCommit((events) => this.#hear(events));
  }

  async stop(): Promise<void> {
    this.#unsubscribe?.();
    this.#unsubscribe = null;
    this.#closing.abort(new Error('the server is stopping'));
  }

  begin(job: JobIn<'preparing'>): void {
    const run = openRun(job.cancelRequestedAt !== null);
    if (run.cancelled) void cancelRun(run);
    this.#carry(job.id, run, () => this.#runJob(job, run));
  }

  async adopt(attempt: Attempt, job: Job, scan: ProcessScan): Promise<Adoption> {
    const ctx = this.#ctx;
    const { signal } = this.#closing;
    const resolution = await resolveAttempt(ctx, { attempt, job, signal, scan, wait: false });
    const { judgement } = resolution;
    if (resolution.kind === 'over') {
      const ended = await endAttempt(ctx, { attempt, job, ...resolution, passedLimit: null, trouble: null }, signal);
      return { resolution, ...ended };
    }
    const attached = await attachAttempt(ctx, attempt, judgement);
    const run = openRun(job.cancelRequestedAt !== null);
    run.attempt = attached;
    this.#carry(job.id, run, () => followRun(ctx, { job, attempt: attached, run, signal, known: resolution }));
    return { resolution, ending: null, attempt: attached, job };
  }

  async pause(jobId: string, reason: string): Promise<boolean> {
    const run = this.#runs.get(jobId);
    if (run === undefined || run.connection === null || run.paused || run.cancelled) return false;
    run.paused = true;
    await run.connection.stop(reason);
    return true;
  }

  isPausing(): boolean {
    return [...this.#runs.values()].some((run) => run.paused);
  }

  countRuns(): number {
    return this.#runs.size;
  }

  async #runJob(claimed: Job, run: Run): Promise<void> {
    const ctx = this.#ctx;
    const { signal } = this.#closing;
    failpoint('attempt.after-claim');
    // The commit of the claim may hold the wish to cancel too: that was told to everybody before this run was known.
    const now = await ctx.store.getJob(claimed.id);
    if (now !== null && now.cancelRequestedAt !== null) await cancelRun(run);
    const stop = AbortSignal.any([run.preparing.signal, signal]);
    const ready = await readyWorkspace(ctx, { preparation: this.#preparation, job: claimed, signal: stop });
    stop.throwIfAborted();
    if (ready.stage === 'handoff') return handOff(ctx, ready, stop);
    if (ready.stage === 'merge' && ready.step?.gate === null) {
      return carryMerge(ctx, { preparation: this.#preparation, job: ready, signal: stop });
    }
    if (ready.stage === 'review' || ready.stage === 'merge') await prepareStageCopy(ctx, ready, stop);
    if (ready.step?.task === 'resolve') await bundleBase(ctx, ready, stop);
    const { job, attempt } = await startAttempt(ctx, ready);
    run.attempt = attempt;
    await launchAttempt(ctx, attempt);
    await awaitClaim(ctx.home.runDirectory(job.id, attempt.number), signal);
    await followRun(ctx, { job, attempt, run, signal });
  }

  #carry(jobId: string, run: Run, work: () => Promise<void>): void {
    this.#runs.set(jobId, run);
    const carrying = { jobId, run, signal: this.#closing.signal };
    void carryRun(this.#ctx, carrying, work).finally(() => this.#runs.delete(jobId));
  }

  /** Passes a recorded wish to cancel on to the run it is about. */
  #hear(events: JournalEvent[]): void {
    for (const event of events) {
      if (event.jobId === null || (event.data['cancelRequestedAt'] ?? null) === null) continue;
      const run = this.#runs.get(event.jobId);
      if (run === undefined || run.cancelled) continue;
      cancelRun(run).catch((error: unknown) => {
        this.#ctx.log.warn(`cancel: ${messageOf(error)}`, { job: event.jobId });
      });
    }
  }
}
