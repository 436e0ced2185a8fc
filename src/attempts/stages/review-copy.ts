import { fail } from '../../kernel/errors.ts';
import type { Job } from '../../lifecycle/job.ts';
import { prepareWorkspace } from '../../workspace/prepare-workspace.ts';
import type { AttemptContext } from '../context.ts';
import { claimOperation } from '../ready-workspace.ts';
import { findParts } from '../save-trees.ts';

/**
 * Makes the copy of the candidate that the next attempt of a job reviews: a repository of its own, of which nothing is
 * kept, so that a reviewer can change nothing that is handed on. Can be repeated. Throws like `prepareWorkspace`.
 */
export async function prepareReview(ctx: AttemptContext, job: Job, signal: AbortSignal): Promise<void> {
  const [part] = await findParts(ctx, job);
  const candidate = job.step?.candidate ?? null;
  if (part === undefined || candidate === null) throw fail('internal', `job ${job.number} has nothing to review`);
  await prepareWorkspace({
    mirrorDir: part.mirrorDir,
    workspaceDir: ctx.home.review(job.id, job.attempts + 1),
    baseCommit: candidate,
    branch: `holdfast/review-${job.number}`,
    op: claimOperation(job),
    sourceUrl: part.registered.source,
    signal,
  });
}
