import { setMaxListeners } from 'node:events';
import { endOperation, type ProcessScan } from '../keeper/processes.ts';
import { backoffMs, delay } from '../kernel/backoff.ts';
import { fail, isError } from '../kernel/errors.ts';
import { failpoint } from '../kernel/failpoints.ts';
import { messageOf } from '../kernel/result.ts';
import type { Service } from '../kernel/service.ts';
import type { Attempt } from '../lifecycle/attempt.ts';
import type { Job, JobIn, Reason } from '../lifecycle/job.ts';
import { isActive, type JobTransition } from '../lifecycle/transitions.ts';
import type { JournalEvent } from '../store/store.ts';
import type { AttemptContext } from './context.ts';
import type { Ending } from './decide.ts';
import { endAttempt } from './end-attempt.ts';
import { awaitClaim } from './follow-attempt.ts';
import { attachAttempt, followRun } from './follow-run.ts';
import { claimOperation, readyWorkspace } from './ready-workspace.ts';
import { recordPatiently } from './record-patiently.ts';
import type { RepositoryLocks } from './repository-lock.ts';
import { resolveAttempt, type Resolution } from './resolve-attempt.ts';
import { cancelRun, openRun, type Run } from './run.ts';
import { setAside } from './set-aside.ts';
import { launchAttempt, startAttempt } from './start-attempt.ts';

/** How often an attempt whose evidence cannot be read is looked at again before it is set aside, and the first pause, ms. */
const FOLLOW_TRIES = 5;
const FOLLOW_RETRY_MS = 500;
const MAX_FOLLOW_RETRY_MS = 8000;

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
  /** Jobs that have a process or are being prepared by this server. */
  countRuns(): number;
}

/** Returns the supervisor of all attempts of this server. */
export function createSupervisor(ctx: AttemptContext, locks: RepositoryLocks): Supervisor {
  const runs = new Map<string, Run>();
  const closing = new AbortController();
  setMaxListeners(0, closing.signal);
  let unsubscribe: (() => void) | null = null;

  const runJob = async (claimed: Job, run: Run): Promise<void> => {
    failpoint('attempt.after-claim');
    // The commit of the claim may hold the wish to cancel too: that was told to everybody before this run was known.
    const now = await ctx.store.getJob(claimed.id);
    if (now !== null && now.cancelRequestedAt !== null) await cancelRun(run);
    const stop = AbortSignal.any([run.preparing.signal, closing.signal]);
    const ready = await readyWorkspace(ctx, locks, claimed, stop);
    stop.throwIfAborted();
    const { job, attempt } = await startAttempt(ctx, ready);
    run.attempt = attempt;
    await launchAttempt(ctx, attempt);
    await awaitClaim(ctx.home.runDirectory(job.id, attempt.number), closing.signal);
    await followRun(ctx, { job, attempt, run, signal: closing.signal });
  };

  /** What went wrong before or around an attempt ends in a state a person can act on; nothing is swallowed. */
  const recoverFromError = async (jobId: string, run: Run, error: unknown): Promise<void> => {
    if (closing.signal.aborted || isError(error, 'fenced')) return;
    const job = await ctx.store.getJob(jobId);
    if (job === null || !isActive(job.state)) return;
    ctx.log.error(`job ${job.number}: ${messageOf(error)}`, { job: jobId });
    run.trouble = messageOf(error);
    if (job.state === 'running') {
      // A keeper may have been launched: only the evidence can say what became of it.
      const attempt = run.attempt ?? (await ctx.store.getAttempt(jobId, job.attempts));
      if (attempt !== null) await followPatiently(job, attempt, run);
      return;
    }
    // What was started to prepare it is verified dead before the record says that it stopped.
    const { left } = await endOperation(claimOperation(job));
    if (left.length > 0) throw fail('internal', `processes of job ${job.number} cannot be ended`);
    const { transition, reason } = classifyFailure(run, error);
    const set = { reason, blocker: transition === 'cancel' ? null : messageOf(error) };
    await recordPatiently(ctx, closing.signal, () =>
      ctx.store.moveJob({ id: jobId, transition, fence: job.fence, set, actor: 'attempts' }),
    );
  };

  /** Follows again after a fault that may pass (no file descriptors, a busy disk); in the end the job is set aside. */
  const followPatiently = async (job: Job, attempt: Attempt, run: Run): Promise<void> => {
    for (let tries = 1; ; tries++) {
      try {
        await followRun(ctx, { job, attempt, run, signal: closing.signal });
        return;
      } catch (error) {
        if (closing.signal.aborted || isError(error, 'fenced')) return;
        if (tries === FOLLOW_TRIES) {
          await recordPatiently(ctx, closing.signal, async () => {
            const now = await ctx.store.getJob(job.id);
            if (now !== null) await setAside(ctx, { job: now, why: messageOf(error), actor: 'attempts' });
          });
          return;
        }
        ctx.log.warn(`job ${job.number} is looked at again: ${messageOf(error)}`, { job: job.id });
        await delay(backoffMs(tries, FOLLOW_RETRY_MS, MAX_FOLLOW_RETRY_MS), closing.signal);
      }
    }
  };

  const carry = async (jobId: string, run: Run, work: () => Promise<void>): Promise<void> => {
    runs.set(jobId, run);
    try {
      await work().catch((error: unknown) => recoverFromError(jobId, run, error));
    } catch (error) {
      if (closing.signal.aborted) return;
      ctx.log.error(`job ${jobId} is left for the next start: ${messageOf(error)}`, { job: jobId });
    } finally {
      runs.delete(jobId);
    }
  };

  const onEvents = (events: JournalEvent[]): void => {
    for (const event of events) {
      if (event.jobId === null || (event.data['cancelRequestedAt'] ?? null) === null) continue;
      const run = runs.get(event.jobId);
      if (run === undefined || run.cancelled) continue;
      cancelRun(run).catch((error: unknown) => ctx.log.warn(`cancel: ${messageOf(error)}`, { job: event.jobId }));
    }
  };

  return {
    async start() {
      unsubscribe ??= ctx.store.onCommit(onEvents);
    },
    async stop() {
      unsubscribe?.();
      unsubscribe = null;
      closing.abort(new Error('the server is stopping'));
    },
    begin(job) {
      const run = openRun(job.cancelRequestedAt !== null);
      if (run.cancelled) void cancelRun(run);
      void carry(job.id, run, () => runJob(job, run));
    },
    async adopt(attempt, job, scan) {
      const { signal } = closing;
      const resolution = await resolveAttempt(ctx, { attempt, job, signal, scan, wait: false });
      const { judgement } = resolution;
      if (resolution.kind === 'over') {
        const ended = await endAttempt(ctx, { attempt, job, ...resolution, passedLimit: null, trouble: null }, signal);
        return { resolution, ...ended };
      }
      const attached = await attachAttempt(ctx, attempt, judgement);
      const run = openRun(job.cancelRequestedAt !== null);
      run.attempt = attached;
      void carry(job.id, run, () => followRun(ctx, { job, attempt: attached, run, signal }));
      return { resolution, ending: null, attempt: attached, job };
    },
    countRuns: () => runs.size,
  };
}

function classifyFailure(run: Run, error: unknown): { transition: JobTransition; reason: Reason } {
  if (run.cancelled) return { transition: 'cancel', reason: 'cancelled_by_client' };
  if (isError(error, 'workspace-unsafe')) return { transition: 'quarantine', reason: 'workspace_unsafe' };
  if (isError(error, 'record-corrupt')) return { transition: 'quarantine', reason: 'record_corrupt' };
  if (isError(error, 'agent-missing') || isError(error, 'unknown-agent'))
    return { transition: 'block', reason: 'fix_config' };
  return { transition: 'block', reason: 'workspace_failed' };
}
