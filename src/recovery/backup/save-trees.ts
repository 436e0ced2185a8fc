import { findParts, saveTrees as saveWorkspace } from '../../attempts/save-trees.ts';
import { isError } from '../../kernel/errors.ts';
import type { CopiedJob } from '../../store/sqlite/read-copy.ts';
import type { BackupContext } from './collect.ts';

/** What keeps one workspace from being saved: the rest of the backup is worth having. */
const PASSED_OVER = ['workspace-unsafe', 'git-failed', 'git-timeout', 'repository-not-found'] as const;

/**
 * Saves what a job's agents have done in its workspace on the ref of its newest attempt, in the mirrors, which a backup
 * holds: workspaces themselves it does not. Returns what could not be saved, in words. The same tree is saved once.
 */
export async function saveTrees(ctx: BackupContext, { id, workspaceState }: CopiedJob, op: string): Promise<string[]> {
  if (workspaceState !== 'ready') return [];
  // Nobody makes the workspace anew or takes it away meanwhile; an agent may be at work in it.
  return ctx.jobFiles.run(id, async () => {
    const job = await ctx.store.getJob(id);
    if (job === null || job.workspaceState !== 'ready') return [];
    try {
      const parts = await findParts(ctx, job);
      await saveWorkspace(ctx, { job, parts, attempts: await ctx.store.listAttempts(id), op, whole: false });
      return [];
    } catch (error) {
      if (!isError(error) || !PASSED_OVER.some((code) => isError(error, code))) throw error;
      return [`workspace of job ${job.number}: ${error.detail}`];
    }
  });
}
