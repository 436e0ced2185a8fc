import { join } from 'node:path';
import { messageOf } from '../kernel/result.ts';
import type { AttemptContext } from '../attempts/context.ts';
import { endProcesses } from '../keeper/processes.ts';
import { deleteSavedTrees } from '../workspace/saved-trees.ts';
import { discardWorkspace } from '../workspace/discard-workspace.ts';

/**
 * Deletes the files of ids whose row is removed, and notes what is gone. Safe to repeat and to be killed in, because the
 * removed row is the intent; not to be called twice at once for an id. What cannot be deleted is logged and stays due.
 */
export async function finishRemovals(ctx: AttemptContext, ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    try {
      await ctx.jobFiles.run(id, () => removeFiles(ctx, id));
      await ctx.store.finishRemoval(id);
    } catch (error) {
      ctx.log.warn(`the files of ${id} are not removed yet: ${messageOf(error)}`);
    }
  }
}

/** HOLDFAST_OP of everything that is started to remove the files of an id. */
function removeOperation(id: string): string {
  return `${id}.remove`;
}

/**
 * Ends what an earlier server left at work for removals that are due and for repairs that are open. Their git deletes
 * refs without the lock of the repository; so before anybody takes one of those, it is verified dead (packed-refs.ts).
 */
export async function endLeftDeletions(ctx: AttemptContext, due: readonly string[]): Promise<void> {
  const repairs = await ctx.store.listOpenRepairs();
  const operations = new Set([...due.map(removeOperation), ...repairs.map(({ id }) => `${id}.repair`)]);
  if (operations.size === 0) return;
  const { left } = await endProcesses(({ operations: found }) =>
    [...found].filter(([operation]) => operations.has(operation)).flatMap(([, members]) => members),
  );
  if (left.length > 0)
    ctx.log.error(`processes that remove something do not end: ${left.map(({ pid }) => pid).join()}`);
}

async function removeFiles(ctx: AttemptContext, id: string): Promise<void> {
  const op = removeOperation(id);
  const remove = (workspaceDir: string): Promise<void> =>
    discardWorkspace({ workspaceDir, removalsDir: ctx.home.removals, op });
  if (id.startsWith('repo_')) await remove(join(ctx.home.repos, id));
  if (!id.startsWith('job_')) return;
  const tombstone = await ctx.store.findTombstone(id);
  for (const name of tombstone?.repositories ?? []) {
    // Of a repository that was removed, too, the trees went with the mirror.
    const repository = await ctx.store.getRepository(name);
    if (repository !== null) {
      await deleteSavedTrees({ mirrorDir: ctx.home.mirror(repository.id), jobId: id, op });
    }
  }
  await remove(ctx.home.job(id));
}
