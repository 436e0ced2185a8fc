/** What an attempt left in a workspace, put on refs in the mirrors before anything happens to the workspace. */
import { fail } from '../kernel/errors.ts';
import type { Attempt } from '../lifecycle/attempt.ts';
import { baseOf, type Job } from '../lifecycle/job.ts';
import { workspaceParts, type WorkspacePart } from '../lifecycle/job-workspace.ts';
import type { Repository } from '../lifecycle/repository.ts';
import { checkWorkspace, checkWorkspaceRoot } from '../workspace/check-workspace.ts';
import { keepStrays } from '../workspace/keep-strays.ts';
import { saveTree } from '../workspace/observe.ts';
import { savedTreeRef, strayFolder } from '../workspace/saved-trees.ts';
import type { AttemptContext } from './context.ts';

/** One repository of a job, and where its copy lies. */
export interface Part extends WorkspacePart {
  registered: Repository;
  mirrorDir: string;
}

/** HOLDFAST_OP of everything that is started to take the workspace of an ended job away. */
export function retireOperation(jobId: string): string {
  return `${jobId}.retire`;
}

/** Returns the parts of a job's workspace. Throws `repository-not-found` when one is not registered any more. */
export async function findParts(ctx: Pick<AttemptContext, 'store' | 'home'>, job: Job): Promise<Part[]> {
  const parts: Part[] = [];
  for (const part of workspaceParts(ctx.home, job)) {
    const registered = await ctx.store.getRepository(part.repository);
    if (registered === null) throw fail('repository-not-found', `"${part.repository}" is not registered any more`);
    parts.push({ ...part, registered, mirrorDir: ctx.home.mirror(registered.id) });
  }
  return parts;
}

/** Returns the newest attempt whose agent may have run, or null. */
export function findLastRun(attempts: readonly Attempt[]): Attempt | null {
  return attempts.findLast((attempt) => attempt.state !== 'never_ran') ?? null;
}

/**
 * Saves every tree of a workspace on the ref of its newest attempt; `unneeded` where no agent ran in it. The caller has
 * verified that nobody else saves for this job. Throws `workspace-unsafe` for one that cannot be trusted or, with `whole`,
 * not be saved as it lies there; `git-failed`, `storage-full`.
 */
export async function saveTrees(
  ctx: Pick<AttemptContext, 'store' | 'home' | 'log'>,
  what: { job: Job; parts: readonly Part[]; attempts: readonly Attempt[]; op: string; whole: boolean },
): Promise<'saved' | 'unneeded'> {
  const { job, parts, attempts, op, whole } = what;
  const unsafe = await whyUnsafe(ctx, job, parts);
  if (unsafe !== null) throw fail('workspace-unsafe', unsafe);
  const last = findLastRun(attempts);
  if (last === null) return 'unneeded';
  // What it left is in its commits, which are in the mirror already; what lies beside them is not.
  const isKept = !whole && last.state === 'finished' && (job.step?.candidate ?? null) !== null;
  for (const part of parts) {
    const parent = baseOf(job, part.repository);
    if (parent === null) return 'unneeded';
    await saveStrays(ctx, { ...what, part, baseCommit: parent, attempt: last.number });
    if (isKept) continue;
    await saveTree({
      mirrorDir: part.mirrorDir,
      workspaceDir: part.directory,
      ref: savedTreeRef(job.id, last.number),
      message: `Tree after attempt ${last.number} of job ${job.number}`,
      parent,
      op,
      takeover: true,
      whole,
    });
  }
  return isKept ? 'unneeded' : 'saved';
}

async function saveStrays(
  ctx: Pick<AttemptContext, 'log'>,
  what: { job: Job; part: Part; baseCommit: string; attempt: number; op: string; whole: boolean },
): Promise<void> {
  const { job, part, baseCommit, attempt, op, whole } = what;
  const { mirrorDir, directory: workspaceDir } = part;
  const folder = strayFolder(job.id, attempt);
  for (const { name, ref, why } of await keepStrays({ mirrorDir, workspaceDir, baseCommit, folder, op })) {
    if (ref !== null) ctx.log.info(`Job ${job.number}: ${name} is kept as ${ref}`, { job: job.id });
    else if (whole) throw fail('workspace-unsafe', `${name} cannot be saved: ${String(why)}`);
    else ctx.log.warn(`Job ${job.number}: ${name} cannot be saved: ${String(why)}`, { job: job.id });
  }
}

async function whyUnsafe(
  ctx: Pick<AttemptContext, 'store' | 'home'>,
  job: Job,
  parts: readonly Part[],
): Promise<string | null> {
  if (job.others !== null) {
    const unsafe = await checkWorkspaceRoot(ctx.home.workspace(job.id));
    if (unsafe !== null) return unsafe;
  }
  for (const part of parts) {
    const unsafe = await checkWorkspace(part.directory, part.mirrorDir);
    if (unsafe !== null) return part.prefix === null ? unsafe : `${part.prefix}: ${unsafe}`;
  }
  return null;
}
