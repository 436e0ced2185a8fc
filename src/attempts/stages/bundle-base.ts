import { join } from 'node:path';
import { makeDirectory } from '../../kernel/durable.ts';
import { fail } from '../../kernel/errors.ts';
import type { Job } from '../../lifecycle/job.ts';
import { safeGit } from '../../workspace/safe-git.ts';
import type { AttemptContext } from '../context.ts';
import { claimOperation } from '../ready-workspace.ts';
import { findParts } from '../save-trees.ts';

/** Returns where the base, as it has become, is given to an agent that resolves a conflict with it. */
export function baseBundle(ctx: Pick<AttemptContext, 'home'>, job: Job): string {
  return join(ctx.home.agentHome(job.id), 'base.bundle');
}

/**
 * Puts what the base branch has become into a bundle for the agent: nothing of ours runs in the repository the agent owns.
 * Only a copy, made anew for each attempt. Throws `git-failed`, `storage-full`.
 */
export async function bundleBase(ctx: AttemptContext, job: Job, signal: AbortSignal): Promise<void> {
  const [part] = await findParts(ctx, job);
  if (part === undefined || job.baseCommit === null) throw fail('internal', `job ${job.number} has no base`);
  await makeDirectory(ctx.home.agentHome(job.id));
  const range = [`refs/heads/${part.registered.base}`, `^${job.baseCommit}`];
  await safeGit({
    profile: { kind: 'local', gitDir: part.mirrorDir },
    args: ['bundle', 'create', '--quiet', baseBundle(ctx, job), ...range],
    op: claimOperation(job),
    signal,
  });
}
