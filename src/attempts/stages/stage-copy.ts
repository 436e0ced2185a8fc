import { fail } from '../../kernel/errors.ts';
import type { Job } from '../../lifecycle/job.ts';
import { prepareWorkspace } from '../../workspace/prepare-workspace.ts';
import type { AttemptContext } from '../context.ts';
import { claimOperation } from '../ready-workspace.ts';
import { findParts } from '../save-trees.ts';

/**
 * Makes the copy that the next attempt of a job reviews, or proves the result of a merge in: a repository of its own, of
 * which nothing is kept, so that nothing done in it changes what is handed on. Can be repeated. Throws like
 * `prepareWorkspace`.
 */
export async function prepareStageCopy(ctx: AttemptContext, job: Job, signal: AbortSignal): Promise<void> {
  const [part] = await findParts(ctx, job);
  const commit = (job.stage === 'merge' ? job.step?.merge?.to : job.step?.candidate) ?? null;
  if (part === undefined || commit === null) throw fail('internal', `job ${job.number} has nothing to look at`);
  await prepareWorkspace({
    mirrorDir: part.mirrorDir,
    workspaceDir: ctx.home.stageCopy(job.id, job.attempts + 1),
    baseCommit: commit,
    branch: `holdfast/${job.stage}-${job.number}`,
    op: claimOperation(job),
    sourceUrl: part.registered.source,
    signal,
  });
}
