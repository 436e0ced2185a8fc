import { fail } from '../kernel/errors.ts';
import { failpoint } from '../kernel/failpoints.ts';
import type { Attempt } from '../lifecycle/attempt.ts';
import type { Job } from '../lifecycle/job.ts';
import type { Repository } from '../lifecycle/repository.ts';
import { checkWorkspace } from '../workspace/check-workspace.ts';
import { discardWorkspace } from '../workspace/discard-workspace.ts';
import { updateMirror } from '../workspace/mirror.ts';
import { saveTree } from '../workspace/observe.ts';
import { prepareWorkspace } from '../workspace/prepare-workspace.ts';
import { exists } from '../workspace/remove-tree.ts';
import type { AttemptContext } from './context.ts';
import type { RepositoryLocks } from './repository-lock.ts';

/** HOLDFAST_OP of everything a claim starts: the claimed row with this fence is the intent. */
export function claimOperation(job: { id: string; fence: number }): string {
  return `${job.id}.${job.fence}`;
}

/**
 * Makes the workspace of a claimed job what its next attempt must find, and returns the job as recorded. A first
 * attempt gets a fresh one at the repository's base; a later one keeps the tree as it stands (saved to a ref first), or,
 * for agents that restart from scratch, gets the tree the first one started with. Every step can be repeated.
 */
export async function readyWorkspace(
  ctx: AttemptContext,
  input: { locks: RepositoryLocks; job: Job; signal: AbortSignal },
): Promise<Job> {
  // Whoever was removing its workspace for good has ended, or finds that the job is not ended any more.
  return ctx.jobFiles.run(input.job.id, () => readyInTurn(ctx, input));
}

async function readyInTurn(
  ctx: AttemptContext,
  input: { locks: RepositoryLocks; job: Job; signal: AbortSignal },
): Promise<Job> {
  const { locks, job: claimed, signal } = input;
  const repository = await ctx.store.getRepository(claimed.repository);
  if (repository === null) throw fail('repository-not-found', `"${claimed.repository}" is not registered any more`);
  const attempts = await ctx.store.listAttempts(claimed.id);
  let job = claimed;
  if (job.workspaceState === 'ready') {
    const kept = await keepOrDiscard(ctx, { job, repository, attempts });
    if (kept) return job;
    job = await ctx.store.noteJob({
      id: job.id,
      fence: job.fence,
      set: { workspaceState: 'preparing' },
      actor: 'attempts',
    });
    await discardWorkspace({
      workspaceDir: ctx.home.workspace(job.id),
      removalsDir: ctx.home.removals,
      op: claimOperation(job),
    });
  }
  return makeWorkspace(ctx, { locks, job, repository, signal });
}

/** Whether the workspace stays as it is. What an attempt left in it is on a ref before anything else happens to it. */
async function keepOrDiscard(
  ctx: AttemptContext,
  what: { job: Job; repository: Repository; attempts: readonly Attempt[] },
): Promise<boolean> {
  const { job, repository, attempts } = what;
  const workspaceDir = ctx.home.workspace(job.id);
  const mirrorDir = ctx.home.mirror(repository.id);
  const unsafe = await checkWorkspace(workspaceDir, mirrorDir);
  if (unsafe !== null) throw fail('workspace-unsafe', unsafe);
  const last = attempts.findLast((attempt) => attempt.state !== 'never_ran');
  if (last === undefined || job.baseCommit === null) return true;
  await saveTree({
    mirrorDir,
    workspaceDir,
    ref: `refs/holdfast/${job.id}/attempt-${last.number}`,
    message: `Tree after attempt ${last.number} of job ${job.number}`,
    parent: job.baseCommit,
    op: claimOperation(job),
    // Whoever saved before works under an older claim of this job, which recovery has ended.
    takeover: true,
  });
  return !ctx.agents.get(job.agent).capabilities.restartsFromScratch;
}

/** Fetches and clones under the repository lock, which is held for nothing else. */
async function makeWorkspace(
  ctx: AttemptContext,
  input: { locks: RepositoryLocks; job: Job; repository: Repository; signal: AbortSignal },
): Promise<Job> {
  const { locks, repository, signal } = input;
  const operation = claimOperation(input.job);
  const mirrorDir = ctx.home.mirror(repository.id);
  return locks.withLock({ repository: repository.name, operation, jobId: input.job.id, signal }, async () => {
    let job = input.job;
    let base = job.baseCommit;
    if (base === null) {
      // takeover: the lock is ours, and whoever held it before is finished or was verified dead by recovery.
      const mirror = await updateMirror({
        mirrorDir,
        source: repository.source,
        sourceKind: repository.sourceKind,
        base: repository.base,
        op: operation,
        takeover: true,
        signal,
      });
      base = mirror.head;
      if (repository.cloneState !== 'ready') {
        await ctx.store.updateRepository(repository.name, { cloneState: 'ready' }, 'attempts');
      }
    }
    job = await ctx.store.noteJob({
      id: job.id,
      fence: job.fence,
      set: { workspaceState: 'preparing', baseCommit: base },
      actor: 'attempts',
    });
    // What has its name and is not recorded as ready was to be discarded, or never seen by an agent.
    const workspaceDir = ctx.home.workspace(job.id);
    if (await exists(workspaceDir)) {
      await discardWorkspace({ workspaceDir, removalsDir: ctx.home.removals, op: operation });
    }
    await prepareWorkspace({
      mirrorDir,
      workspaceDir,
      baseCommit: base,
      branch: `holdfast/job-${job.number}`,
      op: operation,
      sourceUrl: repository.source,
      uploads: { stagingDir: ctx.home.staging(job.id), files: await ctx.store.listJobFiles(job.id) },
      signal,
    });
    job = await ctx.store.noteJob({
      id: job.id,
      fence: job.fence,
      set: { workspaceState: 'ready' },
      actor: 'attempts',
    });
    failpoint('attempt.after-workspace');
    return job;
  });
}
