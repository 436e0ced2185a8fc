import { join } from 'node:path';
import { fail } from '../kernel/errors.ts';
import { failpoint } from '../kernel/failpoints.ts';
import type { Attempt } from '../lifecycle/attempt.ts';
import { baseOf, type Job } from '../lifecycle/job.ts';
import type { JobFile } from '../lifecycle/job-file.ts';
import { workspaceParts, type WorkspacePart } from '../lifecycle/job-workspace.ts';
import type { Repository } from '../lifecycle/repository.ts';
import type { JobPatch } from '../store/store.ts';
import { checkWorkspace, checkWorkspaceRoot } from '../workspace/check-workspace.ts';
import { discardWorkspace } from '../workspace/discard-workspace.ts';
import { saveTree } from '../workspace/observe.ts';
import { prepareWorkspace } from '../workspace/prepare-workspace.ts';
import { exists } from '../workspace/remove-tree.ts';
import { savedTreeRef } from '../workspace/saved-trees.ts';
import { beginSideBySide, finishSideBySide, partBeside } from '../workspace/side-by-side.ts';
import type { AttemptContext } from './context.ts';
import { fetchBase, type FetchContext } from './fetch-base.ts';
import type { RepositoryLocks } from './repository-lock.ts';

/** HOLDFAST_OP of everything a claim starts: the claimed row with this fence is the intent. */
export function claimOperation(job: { id: string; fence: number }): string {
  return `${job.id}.${job.fence}`;
}

/** What workspaces are made with. */
export interface Preparation {
  locks: RepositoryLocks;
  fetching: FetchContext;
}

/** One repository of a job, and where its copy lies. */
interface Part extends WorkspacePart {
  registered: Repository;
  mirrorDir: string;
}

/**
 * Makes the workspace of a claimed job what its next attempt must find, and returns the job as recorded. A first
 * attempt gets a fresh one at the base of each repository; a later one keeps the tree as it stands (saved to a ref
 * first), or, for agents that restart from scratch, gets the tree the first one started with. Every step can be repeated.
 */
export async function readyWorkspace(ctx: AttemptContext, input: ReadyInput): Promise<Job> {
  // Whoever was removing its workspace for good has ended, or finds that the job is not ended any more.
  return ctx.jobFiles.run(input.job.id, () => readyInTurn(ctx, input));
}

interface ReadyInput {
  preparation: Preparation;
  job: Job;
  signal: AbortSignal;
}

async function readyInTurn(ctx: AttemptContext, input: ReadyInput): Promise<Job> {
  const { preparation, signal } = input;
  let { job } = input;
  const parts = await findParts(ctx, job);
  if (job.workspaceState === 'ready') {
    const kept = await keepOrDiscard(ctx, { job, parts, attempts: await ctx.store.listAttempts(job.id) });
    if (kept) return job;
    job = await note(ctx, job, { workspaceState: 'preparing' });
  }
  const op = claimOperation(job);
  const workspaceDir = ctx.home.workspace(job.id);
  // What has its name and is not recorded as ready was to be discarded, or never seen by an agent.
  if (await exists(workspaceDir)) await discardWorkspace({ workspaceDir, removalsDir: ctx.home.removals, op });
  const uploads = { stagingDir: ctx.home.staging(job.id), files: await ctx.store.listJobFiles(job.id) };
  const making = { preparation, job, parts, uploads, signal };
  job = parts.length === 1 ? await makeAlone(ctx, making) : await makeSideBySide(ctx, making);
  job = await note(ctx, job, { workspaceState: 'ready' });
  failpoint('attempt.after-workspace');
  return job;
}

interface Making extends ReadyInput {
  parts: readonly Part[];
  uploads: { stagingDir: string; files: readonly JobFile[] };
}

async function makeAlone(ctx: AttemptContext, making: Making): Promise<Job> {
  let { job } = making;
  for (const part of making.parts) {
    const target = { directory: part.directory, beside: part.directory, uploads: making.uploads };
    job = await makePart(ctx, { ...making, job, part, target });
    failpoint('workspace.after-part');
  }
  return job;
}

async function makeSideBySide(ctx: AttemptContext, making: Making): Promise<Job> {
  let { job } = making;
  const whole = { workspaceDir: ctx.home.workspace(job.id), op: claimOperation(job) };
  const root = await beginSideBySide(whole);
  // One lock at a time, in the order of the names: nobody holds one while waiting for the next.
  for (const part of making.parts.toSorted((a, b) => (a.repository < b.repository ? -1 : 1))) {
    const target = { directory: join(root, part.repository), beside: partBeside(whole), uploads: null };
    job = await makePart(ctx, { ...making, job, part, target });
    failpoint('workspace.after-part');
  }
  const repositories = making.parts.map(({ repository }) => repository);
  await finishSideBySide({ ...whole, repositories, uploads: making.uploads });
  return job;
}

async function findParts(ctx: AttemptContext, job: Job): Promise<Part[]> {
  const parts: Part[] = [];
  for (const part of workspaceParts(ctx.home, job)) {
    const registered = await ctx.store.getRepository(part.repository);
    if (registered === null) throw fail('repository-not-found', `"${part.repository}" is not registered any more`);
    parts.push({ ...part, registered, mirrorDir: ctx.home.mirror(registered.id) });
  }
  return parts;
}

function note(ctx: AttemptContext, job: Job, set: JobPatch): Promise<Job> {
  return ctx.store.noteJob({ id: job.id, fence: job.fence, set, actor: 'attempts' });
}

/** Whether the workspace stays as it is. What an attempt left in it is on refs before anything else happens to it. */
async function keepOrDiscard(
  ctx: AttemptContext,
  what: { job: Job; parts: readonly Part[]; attempts: readonly Attempt[] },
): Promise<boolean> {
  const { job, parts, attempts } = what;
  const unsafe = await whyUnsafe(ctx, job, parts);
  if (unsafe !== null) throw fail('workspace-unsafe', unsafe);
  const last = attempts.findLast((attempt) => attempt.state !== 'never_ran');
  if (last === undefined) return true;
  for (const part of parts) {
    const parent = baseOf(job, part.repository);
    if (parent === null) return true;
    await saveTree({
      mirrorDir: part.mirrorDir,
      workspaceDir: part.directory,
      ref: savedTreeRef(job.id, last.number),
      message: `Tree after attempt ${last.number} of job ${job.number}`,
      parent,
      op: claimOperation(job),
      // Whoever saved before works under an older claim of this job, which recovery has ended.
      takeover: true,
    });
  }
  return !ctx.agents.get(job.agent).capabilities.restartsFromScratch;
}

async function whyUnsafe(ctx: AttemptContext, job: Job, parts: readonly Part[]): Promise<string | null> {
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

/** Where a copy is made. */
interface Target {
  directory: string;
  /** Its name while it is not finished begins so: never inside the workspace, where others have similar names. */
  beside: string;
  /** To be put into it; null where they come beside it. */
  uploads: Making['uploads'] | null;
}

/** Fetches and clones one repository under its lock, which is held for nothing else. */
async function makePart(ctx: AttemptContext, input: ReadyInput & { part: Part; target: Target }): Promise<Job> {
  const { preparation, part, target, signal } = input;
  const { registered } = part;
  const operation = claimOperation(input.job);
  const holding = { repository: part.repository, operation, jobId: input.job.id, signal };
  return preparation.locks.withLock(holding, async () => {
    const { id, queueSeq } = input.job;
    const known = baseOf(input.job, part.repository);
    const request = { repository: registered, job: { id, queueSeq: queueSeq ?? 0 }, operation, signal };
    const base = known ?? (await fetchBase(preparation.fetching, request));
    if (known === null && registered.cloneState !== 'ready')
      await ctx.store.updateRepository(registered.name, { cloneState: 'ready' }, 'attempts');
    const job = await note(ctx, input.job, { workspaceState: 'preparing', ...basePatch(input.job, part, base) });
    await prepareWorkspace({
      mirrorDir: part.mirrorDir,
      workspaceDir: target.directory,
      unfinishedBeside: target.beside,
      ...(target.uploads === null ? {} : { uploads: target.uploads }),
      baseCommit: base,
      branch: `holdfast/job-${job.number}`,
      op: operation,
      sourceUrl: registered.source,
      signal,
    });
    return job;
  });
}

function basePatch(job: Job, part: Part, base: string): JobPatch {
  if (part.repository === job.repository) return { baseCommit: base };
  const { others, otherBases } = job;
  return {
    otherBases: (others ?? []).map((name, at) => (name === part.repository ? base : (otherBases?.[at] ?? null))),
  };
}
