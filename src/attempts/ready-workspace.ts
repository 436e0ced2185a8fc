import { join } from 'node:path';
import { endOperation } from '../keeper/processes.ts';
import { fail } from '../kernel/errors.ts';
import { failpoint } from '../kernel/failpoints.ts';
import type { Attempt } from '../lifecycle/attempt.ts';
import { isWork } from '../lifecycle/stage.ts';
import { baseOf, type Job } from '../lifecycle/job.ts';
import type { JobFile } from '../lifecycle/job-file.ts';
import type { JobPatch } from '../store/store.ts';
import { discardWorkspace } from '../workspace/discard-workspace.ts';
import { prepareWorkspace } from '../workspace/prepare-workspace.ts';
import { exists } from '../workspace/remove-tree.ts';
import { resetWorkspace } from '../workspace/reset-workspace.ts';
import { findNewestCandidate, findNewestWork } from '../workspace/saved-trees.ts';
import { beginSideBySide, finishSideBySide, partBeside } from '../workspace/side-by-side.ts';
import type { AttemptContext } from './context.ts';
import { fetchBase, type FetchContext } from './fetch-base.ts';
import type { RepositoryLocks } from './repository-lock.ts';
import { findParts, findLastRun, retireOperation, saveTrees, type Part } from './save-trees.ts';
import { setWorkspaceAside } from './set-workspace-aside.ts';

/** HOLDFAST_OP of everything a claim starts: the claimed row with this fence is the intent. */
export function claimOperation(job: { id: string; fence: number }): string {
  return `${job.id}.${job.fence}`;
}

/** What workspaces are made with. */
export interface Preparation {
  locks: RepositoryLocks;
  fetching: FetchContext;
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
  const attempts = await ctx.store.listAttempts(job.id);
  const op = claimOperation(job);
  if (job.epoch > 1) await endRetirement(job);
  const [part] = parts;
  if (job.workspaceState === 'ready' && part !== undefined)
    job = await setWorkspaceAside(ctx, { job, part, attempts, op, signal });
  if (job.workspaceState === 'ready') {
    const kept = await keepOrDiscard(ctx, { job, parts, attempts });
    if (kept) {
      await undoGate(ctx, { job, parts, attempts, signal });
      return job;
    }
    job = await note(ctx, job, { workspaceState: 'preparing' });
  }
  const workspaceDir = ctx.home.workspace(job.id);
  // What has its name and is not recorded as ready was to be discarded, or never seen by an agent.
  if (await exists(workspaceDir)) await discardWorkspace({ workspaceDir, removalsDir: ctx.home.removals, op });
  const uploads = { stagingDir: ctx.home.staging(job.id), files: await ctx.store.listJobFiles(job.id) };
  const last = startsOver(ctx, job) ? null : findLastRun(attempts);
  const restores = job.workspaceRemovedAt !== null && last !== null;
  const making = { preparation, job, parts, uploads, restores, last, signal };
  job = parts.length === 1 ? await makeAlone(ctx, making) : await makeSideBySide(ctx, making);
  job = await note(ctx, job, { workspaceState: 'ready', workspaceRemovedAt: null });
  failpoint('attempt.after-workspace');
  return job;
}

interface Making extends ReadyInput {
  parts: readonly Part[];
  uploads: { stagingDir: string; files: readonly JobFile[] };
  /** Its workspace went by age: the trees that were saved then are put back. */
  restores: boolean;
  /** The newest attempt that may have run; null where what was done before does not count. */
  last: Attempt | null;
}

/** Git that a killed server had started to take the workspace away must not save into refs, or delete, beside us. */
async function endRetirement(job: Job): Promise<void> {
  const { left } = await endOperation(retireOperation(job.id));
  if (left.length > 0) throw fail('workspace-unsafe', `process ${left[0]?.pid} that removed it does not end`);
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

function note(ctx: AttemptContext, job: Job, set: JobPatch): Promise<Job> {
  return ctx.store.noteJob({ id: job.id, fence: job.fence, set, actor: 'attempts' });
}

/** Whether the workspace stays as it is. What an attempt left in it is on refs before anything else happens to it. */
async function keepOrDiscard(
  ctx: AttemptContext,
  what: { job: Job; parts: readonly Part[]; attempts: readonly Attempt[] },
): Promise<boolean> {
  const { job } = what;
  // Whoever saved before works under an older claim of this job, which recovery has ended.
  const saved = await saveTrees(ctx, { ...what, op: claimOperation(job), whole: false });
  return saved === 'unneeded' || !startsOver(ctx, job);
}

/** What a gate changed or left in the workspace is none of the work; what reviewers were given goes as well. */
async function undoGate(
  ctx: AttemptContext,
  what: { job: Job; parts: readonly Part[]; attempts: readonly Attempt[]; signal: AbortSignal },
): Promise<void> {
  const { job, parts, attempts, signal } = what;
  const candidate = job.step?.candidate ?? null;
  const [part] = parts;
  if (candidate === null || part === undefined) return;
  const op = claimOperation(job);
  const copies = ctx.home.stageCopies(job.id);
  if (await exists(copies)) await discardWorkspace({ workspaceDir: copies, removalsDir: ctx.home.removals, op });
  // Only where an agent was not the last to work in it: what that one did may not be in the candidate.
  const last = findLastRun(attempts);
  if (last === null || isWork(last.stage)) return;
  // Reviewers and gates of a merge have a copy; but nothing keeps them from writing here, and this is where it would count.
  if (last.stage !== 'verify' && !isWork(job.stage) && job.stage !== 'verify') return;
  await resetWorkspace({ mirrorDir: part.mirrorDir, workspaceDir: part.directory, commit: candidate, op, signal });
}

function startsOver(ctx: AttemptContext, job: Job): boolean {
  // In a pipeline only the first work begins at the base; everything later stands on it.
  const isFirst = job.step === null || job.step.task === 'work';
  return isFirst && isWork(job.stage) && ctx.agents.get(job.agent).capabilities.restartsFromScratch;
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
async function makePart(
  ctx: AttemptContext,
  input: ReadyInput & Pick<Making, 'restores' | 'last'> & { part: Part; target: Target },
): Promise<Job> {
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
    const start = await findStart({ ...input, job });
    await prepareWorkspace({
      mirrorDir: part.mirrorDir,
      ...(start === null ? {} : { restore: start.commit }),
      workspaceDir: target.directory,
      unfinishedBeside: target.beside,
      ...(target.uploads === null ? {} : { uploads: target.uploads }),
      baseCommit: start?.isCandidate === true ? start.commit : base,
      branch: `holdfast/job-${job.number}`,
      op: operation,
      sourceUrl: registered.source,
      signal,
    });
    return job;
  });
}

/** What a new workspace is to hold: a commit of the work, on which it goes on, or a tree, whose files lie there uncommitted. */
interface Start {
  commit: string;
  isCandidate: boolean;
}

/** Returns what of its work the job goes on from; null for its base. */
async function findStart(making: Pick<Making, 'job' | 'restores' | 'last'> & { part: Part }): Promise<Start | null> {
  const { job, part, last, restores } = making;
  const { step } = job;
  if (last === null || step === null) return restores ? findSaved(part, job) : null;
  // What passes its gates is this very commit; only an agent that did not end may have gone on from it.
  const isAfterIt = isWork(last.stage) && last.state !== 'finished';
  if (step.candidate !== null && !isAfterIt) return { commit: step.candidate, isCandidate: true };
  if (restores) return findSaved(part, job);
  // What was set aside is no place to go on from; what was taken from it before is work that was done.
  const taken = step.aside === undefined ? null : await findNewestCandidate(part.mirrorDir, job.id);
  return taken === null ? null : { commit: taken, isCandidate: true };
}

/** Beginning again from the base would throw away what the record says was saved. */
async function findSaved({ mirrorDir, repository }: Part, job: Job): Promise<Start> {
  const found = await findNewestWork(mirrorDir, job.id);
  if (found !== null) return found;
  throw fail(
    'record-corrupt',
    `the tree of job ${job.number} that was saved in the mirror of ${repository} is missing`,
  );
}

function basePatch(job: Job, part: Part, base: string): JobPatch {
  if (part.repository === job.repository) return { baseCommit: base };
  const { others, otherBases } = job;
  return {
    otherBases: (others ?? []).map((name, at) => (name === part.repository ? base : (otherBases?.[at] ?? null))),
  };
}
