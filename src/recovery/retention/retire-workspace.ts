/** The workspace of an ended job goes: saved, said, deleted, recorded, in this order. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { AttemptContext } from '../../attempts/context.ts';
import { discardStages } from '../../attempts/stages/clear-stages.ts';
import { findParts, retireOperation, saveTrees } from '../../attempts/save-trees.ts';
import { endOperation } from '../../keeper/processes.ts';
import { fail, isError } from '../../kernel/errors.ts';
import { failpoint } from '../../kernel/failpoints.ts';
import { sha256 } from '../../kernel/hash.ts';
import type { Job } from '../../lifecycle/job.ts';
import { isTerminal } from '../../lifecycle/transitions.ts';
import { discardWorkspace } from '../../workspace/discard-workspace.ts';
import { safeOpen } from '../../workspace/safe-open.ts';

/** Who says so in the journal. */
export const RETENTION = 'retention';

/** Errors that mean: somebody else was faster, and did the same or needs it again. */
export function isOvertaken(error: unknown): boolean {
  return isError(error, 'gone') || isError(error, 'state-conflict') || isError(error, 'job-not-found');
}

/**
 * Takes the workspace of an ended job away, after what is in it was saved to refs of the mirrors. Can be repeated at any
 * point, and by two at once: one does it. Returns false when it was not the time any more: the job was retried or removed,
 * or its workspace is gone. Throws when something in it cannot be saved; then nothing of it was touched.
 */
export async function retireWorkspace(ctx: AttemptContext, looked: Job): Promise<boolean> {
  // A claim that makes the workspace ready waits here, and finds it whole or said to be gone.
  return ctx.jobFiles.run(looked.id, () => retireInTurn(ctx, looked));
}

async function retireInTurn(ctx: AttemptContext, looked: Job): Promise<boolean> {
  const job = await ctx.store.getJob(looked.id);
  if (job === null || !isTerminal(job.state) || job.finishedAt === null) return false;
  if (job.finishedAt !== looked.finishedAt || job.workspaceState === 'none') return false;
  const op = retireOperation(job.id);
  const { left } = await endOperation(op);
  if (left.length > 0) throw fail('state-conflict', `process ${left[0]?.pid} of an earlier try does not end`);
  const ended = { id: job.id, finishedAt: job.finishedAt, actor: RETENTION };
  failpoint('retention.before-save');
  if (job.workspaceState === 'ready') await saveAll(ctx, job, op);
  failpoint('retention.after-save');
  try {
    await ctx.store.beginRetirement(ended);
  } catch (error) {
    if (isOvertaken(error)) return false;
    throw error;
  }
  failpoint('retention.after-intent');
  await discardWorkspace({ workspaceDir: ctx.home.workspace(job.id), removalsDir: ctx.home.removals, op });
  await discardUnfinished(ctx, job, op);
  await discardStages(ctx, job, op);
  failpoint('retention.after-delete');
  try {
    await ctx.store.endRetirement(ended);
  } catch (error) {
    // Retried or removed meanwhile: whoever did that makes the workspace anew, or removes the rest.
    if (!isOvertaken(error)) throw error;
  }
  failpoint('retention.after-record');
  return true;
}

async function saveAll(ctx: AttemptContext, job: Job, op: string): Promise<void> {
  const parts = await findParts(ctx, job);
  if (job.others !== null) await refuseStrangers(ctx, job, new Set(parts.map(({ repository }) => repository)));
  await saveTrees(ctx, { job, parts, attempts: await ctx.store.listAttempts(job.id), op, whole: true });
}

/** Beside the copies of several repositories only what was sent for the job is kept elsewhere. */
async function refuseStrangers(ctx: AttemptContext, job: Job, parts: ReadonlySet<string>): Promise<void> {
  const root = ctx.home.workspace(job.id);
  const sent = new Map((await ctx.store.listJobFiles(job.id)).map((file) => [file.name, file]));
  for (const name of await readdir(root)) {
    if (parts.has(name)) continue;
    const file = sent.get(name);
    if (file !== undefined) {
      await using handle = await safeOpen(root, name);
      if ((await handle.stat()).size === file.size && sha256(await handle.readFile()) === file.sha256) continue;
    }
    throw fail('workspace-unsafe', `${JSON.stringify(name)} lies beside its repositories and cannot be saved`);
  }
}

/** Copies that were never finished: no agent ever saw them. */
async function discardUnfinished(ctx: AttemptContext, job: Job, op: string): Promise<void> {
  const directory = ctx.home.job(job.id);
  for (const name of await readdir(directory)) {
    if (!/^workspace\.[\w.-]+$/.test(name)) continue;
    await discardWorkspace({ workspaceDir: join(directory, name), removalsDir: ctx.home.removals, op });
  }
}
