import { fail } from '../kernel/errors.ts';
import type { Job } from '../lifecycle/job.ts';
import { isActive } from '../lifecycle/transitions.ts';
import type { AttemptContext } from './context.ts';

/**
 * Asked last before something outside the store is changed under a claim. Throws `fenced` where the job was claimed or
 * reopened since: then what is about to be done is nobody's wish any more.
 */
export async function checkOwner(
  ctx: AttemptContext,
  job: Pick<Job, 'id' | 'number' | 'fence' | 'epoch'>,
): Promise<void> {
  const now = await ctx.store.getJob(job.id);
  if (now !== null && now.fence === job.fence && now.epoch === job.epoch && isActive(now.state)) return;
  throw fail('fenced', `claim ${job.fence} of job ${job.number} is over; nothing is changed under it`);
}
