/** What jobs have to give, for whoever takes it up: found in the mirror, else in the workspace, else in the saved trees. */
import type { Services } from '../api/services.ts';
import type { AttemptContext } from '../attempts/context.ts';
import { findParts } from '../attempts/save-trees.ts';
import { nameWork } from '../attempts/stages/hand-off.ts';
import { fail } from '../kernel/errors.ts';
import type { Job } from '../lifecycle/job.ts';
import { checkWorkspace } from '../workspace/check-workspace.ts';
import { bundleResult, patchResult, type ResultRequest } from '../workspace/result.ts';
import { classifySource } from '../workspace/source-address.ts';
import { findLocalRepository } from '../workspace/source.ts';
import { findSavedTree } from '../workspace/saved-trees.ts';

/** Returns the part of the API's port that hands out what jobs did. */
export function createResults(ctx: AttemptContext): Pick<Services, 'bundleJob' | 'patchJob'> {
  return {
    async bundleJob(job) {
      const request = await findWork(ctx, job);
      const { branch } = await nameWork(ctx, job);
      const bundle = request === null ? null : await bundleResult({ ...request, branch });
      if (bundle === null) throw nothing(job);
      return bundle;
    },
    async patchJob(job) {
      const request = await findWork(ctx, job);
      const patch = request === null ? Buffer.alloc(0) : await patchResult(request);
      if (patch === null) {
        throw fail('result-too-large', `the patch of job ${job.number} would be larger than 16 MiB`, {
          hint: `Take its branch instead: holdfast checkout ${job.number}`,
        });
      }
      if (patch.length === 0) throw nothing(job);
      return patch;
    },
  };
}

function nothing(job: Job): Error {
  return fail('no-result', `job ${job.number} has changed nothing`);
}

/** Returns where the work of a job is, or null where there is none. */
async function findWork(ctx: AttemptContext, job: Job): Promise<ResultRequest | null> {
  if (job.others !== null) {
    throw fail('no-result', `job ${job.number} works on several repositories; it has no one branch or patch`, {
      hint: `\`holdfast diff ${job.number}\` shows what it did in each.`,
    });
  }
  const [part] = await findParts(ctx, job);
  if (part === undefined || job.baseCommit === null) return null;
  const common = {
    mirrorDir: part.mirrorDir,
    base: job.baseCommit,
    message: `Work of job ${job.number}`,
    op: `${job.id}.result`,
  };
  const kept = job.step?.candidate ?? (job.workspaceState === 'ready' ? null : await findSaved(job, part.mirrorDir));
  if (kept !== null) return { ...common, work: { kind: 'commit', commit: kept } };
  if (job.workspaceState !== 'ready') return null;
  const unsafe = await checkWorkspace(part.directory, part.mirrorDir);
  if (unsafe !== null) throw fail('workspace-unsafe', unsafe);
  return { ...common, work: { kind: 'workspace', workspaceDir: part.directory } };
}

function findSaved(job: Job, mirrorDir: string): Promise<string | null> {
  return findSavedTree(mirrorDir, job.id);
}

/**
 * Refuses an address nothing may be pushed to, by the rules of sources; a path must be a repository. A remote is not asked:
 * that it does not answer now says nothing of later. Throws `source-refused`, `not-a-repository`.
 */
export async function checkPushTarget(target: string | null | undefined): Promise<void> {
  if (target === null || target === undefined) return;
  if (classifySource(target) === 'path') await findLocalRepository(target);
}
