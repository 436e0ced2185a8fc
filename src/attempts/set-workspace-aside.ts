/**
 * What an operator reopens must be able to go on. A workspace in which no work could ever be taken from it again (its
 * `.git` is gone, its history rewritten) is kept as it lies there, and its job begins again in a new one.
 */
import { join } from 'node:path';
import { makeDirectory, renameDurable } from '../kernel/durable.ts';
import { isError } from '../kernel/errors.ts';
import { failpoint } from '../kernel/failpoints.ts';
import { messageOf } from '../kernel/result.ts';
import type { Attempt } from '../lifecycle/attempt.ts';
import type { Job } from '../lifecycle/job.ts';
import type { SetAside, Step } from '../lifecycle/stage.ts';
import { whyUnworkable } from '../workspace/check-history.ts';
import { checkWorkspaceRoot } from '../workspace/check-workspace.ts';
import { saveTree } from '../workspace/observe.ts';
import { exists } from '../workspace/remove-tree.ts';
import { savedTreeRef } from '../workspace/saved-trees.ts';
import type { AttemptContext } from './context.ts';
import { findLastRun, type Part } from './save-trees.ts';

interface Setting {
  job: Job;
  part: Part;
  attempts: readonly Attempt[];
  op: string;
  signal: AbortSignal;
}

/**
 * Sets the workspace of a claimed job aside when an operator has reopened the job since an attempt ran in it and no work
 * could be taken from it any more; returns the job as recorded, whose workspace is then to be made. Its files are saved on
 * the ref of that attempt first, the move is recorded before it is made, and each step can be repeated: what was moved
 * and not recorded is found under the recorded name. Throws what `whyUnworkable` throws.
 */
export async function setWorkspaceAside(ctx: AttemptContext, setting: Setting): Promise<Job> {
  const { job, attempts, part } = setting;
  const last = findLastRun(attempts);
  // Since it was reopened nothing was launched: whatever an attempt does to its workspace later is told by its end.
  if (job.step === null || job.baseCommit === null || job.startedAt !== null || last === null) return job;
  const reopened = { ...setting, job: { ...job, step: job.step, baseCommit: job.baseCommit }, last };
  if (await isMoved(ctx, reopened)) return recordMove(ctx, job);
  const { mirrorDir, directory: workspaceDir } = part;
  const { op, signal } = setting;
  const why = await whyUnworkable({ mirrorDir, workspaceDir, baseCommit: job.baseCommit, op, signal });
  if (why === null) return job;
  const aside = { why, ...(await keepFiles(ctx, reopened)) };
  const intended = await note(ctx, reopened.job, { step: { ...job.step, aside } });
  ctx.log.warn(`Job ${job.number}: its workspace is set aside: ${why}`, { job: job.id, as: aside.name });
  failpoint('workspace.before-aside');
  if (aside.name !== null) {
    const kept = ctx.home.setAside(job.id);
    await makeDirectory(kept);
    await renameDurable(workspaceDir, join(kept, aside.name));
  }
  failpoint('workspace.after-aside');
  return recordMove(ctx, intended);
}

type Reopened = Setting & { job: Job & { step: Step; baseCommit: string }; last: Attempt };

/** What a server that died had moved for this very attempt. */
async function isMoved(ctx: AttemptContext, { job, part, last }: Reopened): Promise<boolean> {
  const name = job.step.aside?.name ?? null;
  if (name === null || name.split('-')[0] !== String(last.number) || (await exists(part.directory))) return false;
  return exists(join(ctx.home.setAside(job.id), name));
}

function recordMove(ctx: AttemptContext, job: Job): Promise<Job> {
  return note(ctx, job, { workspaceState: 'preparing' });
}

function note(
  ctx: AttemptContext,
  job: Job,
  set: Parameters<AttemptContext['store']['noteJob']>[0]['set'],
): Promise<Job> {
  return ctx.store.noteJob({ id: job.id, fence: job.fence, set, actor: 'attempts' });
}

/** Saves the files as they lie there, where that can be done, and finds a name for the directory that nothing has. */
async function keepFiles(ctx: AttemptContext, reopened: Reopened): Promise<Pick<SetAside, 'name' | 'ref'>> {
  const { job, part, last, op, signal } = reopened;
  if (!(await exists(part.directory))) return { name: null, ref: null };
  let name = String(last.number);
  for (let more = 2; await exists(join(ctx.home.setAside(job.id), name)); more++) name = `${last.number}-${more}`;
  // Of what is no directory of ours nothing is read; it is moved as it is.
  if ((await checkWorkspaceRoot(part.directory)) !== null) return { name, ref: null };
  const ref = savedTreeRef(job.id, last.number);
  const message = `Tree after attempt ${last.number} of job ${job.number}`;
  const { mirrorDir, directory: workspaceDir } = part;
  try {
    await saveTree({ mirrorDir, workspaceDir, ref, message, parent: job.baseCommit, op, signal, takeover: true });
    return { name, ref };
  } catch (error) {
    if (!isError(error, 'git-failed')) throw error;
    ctx.log.warn(`job ${job.number}: its files are kept only where they are: ${messageOf(error)}`, { job: job.id });
    return { name, ref: null };
  }
}
