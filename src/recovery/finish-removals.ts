import { join } from 'node:path';
import { messageOf } from '../kernel/result.ts';
import type { AttemptContext } from '../attempts/context.ts';
import { discardWorkspace } from '../workspace/discard-workspace.ts';

/**
 * Deletes the files of ids whose row is removed, and notes what is gone. Safe to repeat and to be killed in, because the
 * removed row is the intent; not to be called twice at once for an id. What cannot be deleted is logged and stays due.
 */
export async function finishRemovals(ctx: AttemptContext, ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    try {
      const workspaceDir = directoryOf(ctx, id);
      if (workspaceDir !== null) {
        await discardWorkspace({ workspaceDir, removalsDir: ctx.home.removals, op: `${id}.remove` });
      }
      await ctx.store.finishRemoval(id);
    } catch (error) {
      ctx.log.warn(`the files of ${id} are not removed yet: ${messageOf(error)}`);
    }
  }
}

/** Where the files of an id lie; null for what has none. */
function directoryOf(ctx: AttemptContext, id: string): string | null {
  if (id.startsWith('repo_')) return join(ctx.home.repos, id);
  return null;
}
