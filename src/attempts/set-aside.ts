import type { Job } from '../lifecycle/job.ts';
import { canMoveJob } from '../lifecycle/transitions.ts';
import type { AttemptContext } from './context.ts';

/**
 * Quarantines a job, and the attempt it is in, with the reason: what cannot be understood is set aside, everything else
 * goes on. Nothing of it is ended on the word of evidence that is damaged. Returns the job as it then is.
 */
export async function setAside(ctx: AttemptContext, input: { job: Job; why: string; actor: string }): Promise<Job> {
  const { job, why, actor } = input;
  if (!canMoveJob(job.state, 'quarantine')) return job;
  const jobMove = {
    id: job.id,
    transition: 'quarantine' as const,
    fence: job.fence,
    // Its attempt may have been shown while it ran: what is kept then vouches for nothing.
    set: { reason: 'record_corrupt' as const, blocker: why, transcriptSha256: null },
    actor,
  };
  ctx.log.error(`Job ${job.number} quarantined: ${why}`, { job: job.id });
  const attempts = await ctx.store.listAttempts(job.id);
  const attempt = attempts.find((one) => one.state === 'intended' || one.state === 'running');
  if (attempt === undefined) return ctx.store.moveJob(jobMove);
  const set = { verdict: 'QUARANTINE' as const, note: why };
  const attemptMove = { id: attempt.id, transition: 'quarantine' as const, fence: attempt.fence, set, actor };
  return (await ctx.store.settleAttempt(attemptMove, jobMove)).job;
}
