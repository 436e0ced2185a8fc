/** What is asked of whoever works in a stage: the words, and the variables that tell programs the same. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { fail } from '../../kernel/errors.ts';
import type { Launch } from '../../agents/adapter.ts';
import type { Attempt } from '../../lifecycle/attempt.ts';
import type { Job } from '../../lifecycle/job.ts';
import type { ReviewQuestion, TaskFacts } from '../../lifecycle/stage-rules.ts';
import { isGateCommand, isWork, type GateRecord, type StageTask } from '../../lifecycle/stage.ts';
import { exists } from '../../workspace/remove-tree.ts';
import type { AttemptContext } from '../context.ts';
import { baseBundle } from './bundle-base.ts';
import { useEvidence } from './use-evidence.ts';

/** Bytes from the end of what a gate printed that an agent is told. */
const MAX_TOLD_BYTES = 16 * 1024;

/** The part of a launch that says what is wanted. */
export interface Question {
  prompt: string;
  accepted: string;
  /** What is asked for beside the text of the job; null where that says it all. */
  instructions: string | null;
  task: Launch['task'];
}

/** Returns what an attempt is asked. */
export async function askOf(
  ctx: AttemptContext,
  { job, attempt, accepted }: { job: Job; attempt: Attempt; accepted: string },
): Promise<Question & { env: Record<string, string> }> {
  const text = ctx.rules.render(accepted, job.packet === true);
  const { task } = attempt;
  const stage = job.plan === null ? {} : { HOLDFAST_STAGE: attempt.stage };
  if (isGateCommand(attempt)) return { prompt: text, accepted: text, instructions: null, task: undefined, env: stage };
  if (task === null) return { prompt: text, accepted: text, instructions: null, task: undefined, env: {} };
  const review = task === 'review' ? reviewQuestion(ctx, job, attempt) : null;
  const before = isWork(attempt.stage) ? await findBefore(ctx, job) : {};
  const facts = { task, review, ...before, ...(await findCause(ctx, job, task)) };
  const instructions = ctx.rules.instruct(facts);
  const own = task === 'review' ? (reviewerOf(job, attempt)?.instructions ?? null) : null;
  const prompt = [text, own, instructions].filter((part) => part !== null).join('\n\n---\n\n');
  return {
    prompt,
    accepted: own ?? text,
    instructions,
    task: {
      kind: task,
      round: roundOf(job, task),
      name: `${attempt.epoch}-${task}-${roundOf(job, task)}`,
      question: review === null ? undefined : JSON.stringify(review),
      blockedFile: isWork(attempt.stage) ? blockedFile(ctx, attempt) : undefined,
    },
    env: {
      ...stage,
      HOLDFAST_TASK: task,
      ...(isWork(attempt.stage) ? { HOLDFAST_BLOCKED: blockedFile(ctx, attempt) } : {}),
      ...(task === 'resolve' ? { HOLDFAST_BASE_BUNDLE: baseBundle(ctx, job) } : {}),
      ...(review === null ? {} : { HOLDFAST_VERDICT: review.file, HOLDFAST_REVIEW: JSON.stringify(review) }),
    },
  };
}

/** Where an agent says in words why it cannot go on: that can block its job, and nothing else. */
export function blockedFile(ctx: Pick<AttemptContext, 'home'>, attempt: Pick<Attempt, 'jobId' | 'number'>): string {
  return join(ctx.home.stageHome(attempt.jobId, attempt.number), 'blocked.txt');
}

/** For which time this is asked for, from 1; a review is asked for again after each round of fixing. */
function roundOf(job: Job, task: StageTask): number {
  const spent = job.step?.spent;
  if (spent === undefined) return 1;
  const { commits, fixRounds, conflictFixes } = spent;
  const rounds = { work: 1, commit: commits, fix: fixRounds, resolve: conflictFixes, review: fixRounds + 1 };
  return Math.max(1, rounds[task]);
}

/** What became of the work before an operator had it taken up again. */
async function findBefore(ctx: AttemptContext, job: Job): Promise<Pick<TaskFacts, 'stopped' | 'before'>> {
  const { stopped, aside } = job.step ?? {};
  if (aside === undefined) return { stopped };
  const path = aside.name === null ? null : join(ctx.home.setAside(job.id), aside.name);
  // A home made from a backup does not have it.
  const isThere = path !== null && (await exists(path));
  return { stopped, before: { why: aside.why, path: isThere ? path : null } };
}

/** The newest result that was no PASS is why an agent is asked again. */
async function findCause(
  ctx: AttemptContext,
  job: Job,
  task: StageTask,
): Promise<Pick<TaskFacts, 'gate' | 'why' | 'evidence' | 'summary'>> {
  if (task !== 'fix' && task !== 'resolve') return { gate: null, why: null, evidence: null };
  const cause = (await ctx.store.listGates(job.id)).findLast(({ result }) => result !== 'PASS');
  if (cause === undefined) return { gate: null, why: null, evidence: null };
  const { gate, why, summary } = cause;
  return { gate, why, summary, evidence: await readCause(ctx, job, cause) };
}

async function readCause(ctx: AttemptContext, job: Job, cause: GateRecord): Promise<string | null> {
  const [first] = cause.evidence;
  if (first === undefined) return null;
  const bytes = await useEvidence(ctx, job, first);
  return bytes.subarray(-MAX_TOLD_BYTES).toString('utf8');
}

function reviewerOf(job: Job, attempt: Attempt): { instructions: string | null; leastScore: number } | undefined {
  return job.plan?.reviewers.find(({ name }) => name === attempt.gate);
}

/** Name of the verdict file in the directory of the run, where nothing of the job's workspace lies. */
const VERDICT_FILE = 'verdict.json';

/** Returns what the reviewer of this attempt is asked about: the same for the same attempt, whenever it is asked. */
export function reviewQuestion(ctx: AttemptContext, job: Job, attempt: Attempt): ReviewQuestion {
  const candidate = job.step?.candidate ?? null;
  if (candidate === null || job.baseCommit === null) throw fail('internal', `job ${job.number} has nothing to review`);
  return {
    job: job.id,
    epoch: attempt.epoch,
    candidate,
    base: job.baseCommit,
    nonce: createHash('sha256')
      .update(`${attempt.id} ${ctx.jobToken(job.id)}`)
      .digest('hex')
      .slice(0, 32),
    file: join(ctx.home.stageHome(job.id, attempt.number), VERDICT_FILE),
  };
}

/** Returns the command of a gate as the plan of the job has it. */
export function argvOf(job: Job, attempt: Attempt): string[] {
  const command = job.plan?.verify.find(({ name }) => name === attempt.gate);
  if (command === undefined) throw fail('internal', `job ${job.number} has no gate ${String(attempt.gate)}`);
  return [...command.argv];
}
