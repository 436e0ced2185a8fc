import type { AttemptContext } from '../../attempts/context.ts';
import type { Job } from '../../lifecycle/job.ts';
import { finishRemovals } from '../finish-removals.ts';
import { isOvertaken, RETENTION } from './retire-workspace.ts';

/**
 * Removes an ended job for good, as `holdfast remove` does. Returns false when it was retried, or somebody else removed
 * it. Throws `state-conflict` when something of it is not over: a delivery, a resource, a quarantined item.
 */
export async function removeExpired(ctx: AttemptContext, job: Job): Promise<boolean> {
  const { id, finishedAt } = job;
  try {
    await ctx.store.removeJob({ id, finishedAt, actor: RETENTION });
  } catch (error) {
    if (!isOvertaken(error)) throw error;
    const now = await ctx.store.getJob(id);
    if (now !== null && now.finishedAt === finishedAt) throw error;
    return false;
  }
  await finishRemovals(ctx, [id]);
  return true;
}
