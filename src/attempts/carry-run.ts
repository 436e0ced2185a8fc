import { endOperation } from '../keeper/processes.ts';
import { backoffMs, delay } from '../kernel/backoff.ts';
import { isError } from '../kernel/errors.ts';
import { isDiskFull, isShortage, messageOf } from '../kernel/result.ts';
import type { Attempt } from '../lifecycle/attempt.ts';
import type { Job, Reason } from '../lifecycle/job.ts';
import { isActive, type JobTransition } from '../lifecycle/transitions.ts';
import type { AttemptContext } from './context.ts';
import { DISK_FULL_PAUSE_MS } from './find-shortage.ts';
import { followRun } from './follow-run.ts';
import { claimOperation } from './ready-workspace.ts';
import { recordPatiently } from './record-patiently.ts';
import type { Run } from './run.ts';
import { setAside } from './set-aside.ts';
import { shutDamagedLocks } from './shut-damaged-locks.ts';

/** How often an attempt whose evidence cannot be read is looked at again before it is set aside. */
const FOLLOW_TRIES = 5;
/** First and longest pause between those looks, milliseconds. */
const FOLLOW_RETRY_MS = 500;
const MAX_FOLLOW_RETRY_MS = 8000;

export interface Carrying {
  jobId: string;
  run: Run;
  /** Aborted when the server stops: then nothing more is recorded, the next start takes over. */
  signal: AbortSignal;
}

/**
 * Does `work` for a job; what goes wrong in it ends in a state a person can act on. Never throws: nothing is swallowed
 * either, a fault that cannot even be recorded is logged and left to the next start.
 */
export async function carryRun(ctx: AttemptContext, carrying: Carrying, work: () => Promise<void>): Promise<void> {
  try {
    await work().catch((error: unknown) => recoverFromError(ctx, carrying, error));
  } catch (error) {
    if (carrying.signal.aborted) return;
    ctx.log.error(`job ${carrying.jobId} is left for the next start: ${messageOf(error)}`, { job: carrying.jobId });
  }
}

async function recoverFromError(ctx: AttemptContext, carrying: Carrying, error: unknown): Promise<void> {
  const { jobId, run, signal } = carrying;
  if (signal.aborted) return;
  if (isError(error, 'fenced')) {
    ctx.log.warn(`a result of job ${jobId} is refused: ${messageOf(error)}`, { job: jobId });
    return;
  }
  const job = await ctx.store.getJob(jobId);
  if (job === null || !isActive(job.state)) return;
  ctx.log.error(`job ${job.number}: ${messageOf(error)}`, { job: jobId });
  if (isError(error, 'evidence-corrupt') && job.state !== 'preparing') {
    return quarantineNow(ctx, carrying, error);
  }
  if (job.state === 'preparing') return endPreparation(ctx, { ...carrying, job, error });
  const passes = isDiskFull(error) || isShortage(error);
  run.trouble = { message: messageOf(error), passes };
  if (passes) await delay(DISK_FULL_PAUSE_MS, signal);
  // A keeper may have been launched: only the evidence can say what became of it.
  const attempt = run.attempt ?? (await ctx.store.getAttempt(jobId, job.attempts));
  if (attempt !== null) await followPatiently(ctx, { ...carrying, job, attempt });
}

/** What was started to prepare the job is verified dead before the record says that it stopped. */
async function endPreparation(ctx: AttemptContext, what: Carrying & { job: Job; error: unknown }): Promise<void> {
  const { job, run, error, signal } = what;
  const { left } = await endOperation(claimOperation(job));
  if (left.length > 0) {
    const why = `processes that prepared it cannot be ended: ${left.map((one) => one.pid).join(', ')}`;
    await recordPatiently(ctx, signal, () => setAside(ctx, { job, why, actor: 'attempts' }));
    return;
  }
  if (isError(error, 'lock-damaged')) await shutDamagedLocks(ctx);
  // The job goes back to its place once the disk may have room again; the pause keeps it from turning in circles.
  if (isDiskFull(error) || isShortage(error)) await delay(DISK_FULL_PAUSE_MS, signal);
  const { transition, reason } = classifyFailure(run, error);
  const set = { reason, blocker: transition === 'cancel' || transition === 'requeue' ? null : messageOf(error) };
  await recordPatiently(ctx, signal, () =>
    ctx.store.moveJob({ id: job.id, transition, fence: job.fence, set, actor: 'attempts' }),
  );
}

/** Follows again after a fault that may pass (no file descriptors, a busy disk); in the end the job is set aside. */
async function followPatiently(ctx: AttemptContext, what: Carrying & { job: Job; attempt: Attempt }): Promise<void> {
  const { job, attempt, run, signal } = what;
  for (let tries = 1; ; tries++) {
    try {
      await followRun(ctx, { job, attempt, run, signal });
      return;
    } catch (error) {
      if (signal.aborted || isError(error, 'fenced')) return;
      // What a gate rests on is not what was recorded: no look will find it otherwise.
      if (isError(error, 'evidence-corrupt')) return quarantineNow(ctx, what, error);
      // A full disk passes when somebody makes room; nothing about the attempt is in doubt.
      if (tries >= FOLLOW_TRIES && !isDiskFull(error)) {
        return quarantineNow(ctx, what, error);
      }
      ctx.log.warn(`job ${job.number} is looked at again: ${messageOf(error)}`, { job: job.id });
      await delay(backoffMs(tries, FOLLOW_RETRY_MS, MAX_FOLLOW_RETRY_MS), signal);
    }
  }
}

async function quarantineNow(ctx: AttemptContext, { jobId, signal }: Carrying, error: unknown): Promise<void> {
  await recordPatiently(ctx, signal, async () => {
    const job = await ctx.store.getJob(jobId);
    if (job !== null) await setAside(ctx, { job, why: messageOf(error), actor: 'attempts' });
  });
}

function classifyFailure(run: Run, error: unknown): { transition: JobTransition; reason: Reason | null } {
  if (run.cancelled) return { transition: 'cancel', reason: 'cancelled_by_client' };
  if (isDiskFull(error) || isShortage(error) || isError(error, 'storage-full')) {
    return { transition: 'requeue', reason: null };
  }
  if (isError(error, 'workspace-unsafe')) return { transition: 'quarantine', reason: 'workspace_unsafe' };
  if (isError(error, 'record-corrupt') || isError(error, 'evidence-corrupt'))
    return { transition: 'quarantine', reason: 'record_corrupt' };
  // Asked again by itself; until then nothing that needs this source is claimed.
  if (isError(error, 'source-silent')) return { transition: 'requeue', reason: null };
  // Its repository is unavailable until somebody has cleared the lock.
  if (isError(error, 'lock-damaged')) return { transition: 'requeue', reason: null };
  if (isError(error, 'source-unreachable')) return { transition: 'block', reason: 'source_unreachable' };
  if (isError(error, 'agent-missing') || isError(error, 'unknown-agent')) {
    return { transition: 'block', reason: 'fix_config' };
  }
  return { transition: 'block', reason: 'workspace_failed' };
}
