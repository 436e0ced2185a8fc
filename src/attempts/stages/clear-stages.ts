import { failpoint } from '../../kernel/failpoints.ts';
import { messageOf } from '../../kernel/result.ts';
import type { Job } from '../../lifecycle/job.ts';
import { isTerminal } from '../../lifecycle/transitions.ts';
import { discardWorkspace } from '../../workspace/discard-workspace.ts';
import { exists } from '../../workspace/remove-tree.ts';
import type { AttemptContext } from '../context.ts';
import { claimOperation } from '../ready-workspace.ts';

/**
 * Removes the homes and copies of the stages of a job that has just ended; what counted of them is in the ledger. Never
 * throws: what stays, the next start finds and removes.
 */
export async function clearStages(ctx: AttemptContext, job: Job): Promise<void> {
  if (job.plan === null || !isTerminal(job.state)) return;
  failpoint('stage.before-clear');
  try {
    // Whoever takes the job up again waits here, or is seen to have done so.
    await ctx.jobFiles.run(job.id, async () => {
      const now = await ctx.store.getJob(job.id);
      if (now !== null && isTerminal(now.state)) await discardStages(ctx, job, claimOperation(job));
    });
  } catch (error) {
    ctx.log.warn(`what stages of job ${job.number} left is still there: ${messageOf(error)}`, { job: job.id });
  }
  failpoint('stage.after-clear');
}

/** Deletes them; can be repeated at any point. */
export async function discardStages(ctx: Pick<AttemptContext, 'home'>, job: Job, op: string): Promise<void> {
  const { home } = ctx;
  for (const workspaceDir of [home.stageHomes(job.id), home.stageCopies(job.id)]) {
    if (await exists(workspaceDir)) await discardWorkspace({ workspaceDir, removalsDir: home.removals, op });
  }
}
