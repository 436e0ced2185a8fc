import { failpoint } from '../kernel/failpoints.ts';
import { writeDurablePieces } from '../kernel/durable.ts';
import { messageOf } from '../kernel/result.ts';
import type { Job } from '../lifecycle/job.ts';
import type { AttemptContext } from './context.ts';
import { renderTranscript, type Told } from './transcript.ts';

/**
 * Writes the transcript of a job whose newest attempt is about to be recorded as `ended`, durably, and returns its
 * sha256, to be recorded in the same transaction. Null when it could not be kept: it is made of what stays, so the end
 * of a job never waits for it.
 */
export async function keepTranscript(ctx: AttemptContext, job: Job, ended: Told): Promise<string | null> {
  failpoint('transcript.before-write');
  const earlier = (await ctx.store.listAttempts(job.id)).filter((one) => one.number < ended.number);
  let kept: string | null = null;
  try {
    const pieces = renderTranscript(ctx, { job, attempts: [...earlier, ended] });
    kept = await writeDurablePieces(ctx.home.transcript(job.id), pieces);
  } catch (error) {
    ctx.log.warn(`the transcript of job ${job.number} is not kept: ${messageOf(error)}`, { job: job.id });
  }
  failpoint('transcript.after-write');
  return kept;
}
