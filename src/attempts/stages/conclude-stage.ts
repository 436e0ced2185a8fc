/**
 * What the end of an attempt means for the stage it worked in. A stage is passed by a recorded result or not at all: an
 * ending that is no result (an interruption, a cancel, a limit of the agent) goes on as it would without a pipeline.
 */
import { join } from 'node:path';
import { readPlainFile } from '../../keeper/plain-file.ts';
import { RUN_FILES } from '../../keeper/protocol.ts';
import { fail } from '../../kernel/errors.ts';
import { failpoint } from '../../kernel/failpoints.ts';
import { errnoOf, isShortage, messageOf } from '../../kernel/result.ts';
import type { Attempt } from '../../lifecycle/attempt.ts';
import type { Job, Reason } from '../../lifecycle/job.ts';
import type { Decision, StageEnd, Work } from '../../lifecycle/stage-decision.ts';
import {
  isWork,
  type GateResult,
  type MergeIntent,
  type Plan,
  type Step,
  type TestSummary,
} from '../../lifecycle/stage.ts';
import type { JobTransition } from '../../lifecycle/transitions.ts';
import type { NewEvidence, StageResults } from '../../store/ledger-store.ts';
import type { JobPatch } from '../../store/store.ts';
import { harvestWork } from '../../workspace/harvest.ts';
import { candidateRef } from '../../workspace/saved-trees.ts';
import type { AttemptContext } from '../context.ts';
import type { Ending } from '../decide.ts';
import { readTail } from '../read-summary.ts';
import { findParts } from '../save-trees.ts';
import { blockedFile, reviewQuestion } from './ask.ts';
import { keepBytes, keepFile } from './evidence-files.ts';
import { summariseTests } from './summarise-tests.ts';
import { listPassed } from './use-evidence.ts';

/** What is to be recorded with the end of the attempt. */
export interface Conclusion {
  transition: JobTransition;
  set: Pick<JobPatch, 'reason' | 'blocker' | 'stage' | 'step'>;
  newEpoch: boolean;
  results: StageResults;
}

export interface StageInput {
  job: Job;
  attempt: Attempt;
  ending: Ending;
  /** Bytes of its output that its end vouches for. */
  outputBytes: number;
  signal: AbortSignal;
}

type Piped = Job & { plan: Plan; step: Step };

/**
 * Returns what follows in the pipeline of a job, or null where the ending stands as it is. Everything it leaves on disk
 * is named by its content or by the attempt: it can be repeated after a crash, and comes to the same.
 */
export async function concludeStage(ctx: AttemptContext, input: StageInput): Promise<Conclusion | null> {
  const { job, attempt } = input;
  if (job.plan === null || job.step === null) return null;
  const piped = { ...job, plan: job.plan, step: job.step };
  if (isWork(attempt.stage)) return concludeWork(ctx, { ...input, job: piped });
  const result = attempt.stage === 'review' ? await readReview(ctx, input) : await readGate(ctx, input);
  if (result === null) return null;
  return concludeGate(ctx, { ...input, job: piped }, result);
}

async function concludeWork(ctx: AttemptContext, input: StageInput & { job: Piped }): Promise<Conclusion | null> {
  const { job, attempt, ending } = input;
  if (ending.job !== 'complete') return null;
  const blocked = await readBlocked(ctx, attempt);
  if (blocked !== null) {
    const next: Decision = { kind: 'block', reason: 'needs_human', blocker: blocked, spent: job.step.spent };
    return toConclusion(next, { step: job.step, results: { gate: null, evidence: [] } });
  }
  const { work, candidate } = await harvest(ctx, input);
  const next = await decideNext(ctx, job, { stage: attempt.stage, ended: { kind: 'work', work }, result: null });
  const { stopped, ...step } = job.step;
  // It was told; until there is new work, the next one in its place is told again.
  const told = candidate !== null || stopped === undefined ? {} : { stopped };
  return toConclusion(next, { step: { ...step, ...told, candidate }, results: { gate: null, evidence: [] } });
}

/** Longest reason of an agent that is shown, characters. */
const MAX_BLOCKED_CHARS = 500;

/** Why the agent says that it cannot go on, as one line; null when it does not say so. Its work stays where it is. */
async function readBlocked(ctx: AttemptContext, attempt: Attempt): Promise<string | null> {
  const text = await readTail(blockedFile(ctx, attempt)).catch((error: unknown) => {
    if (isShortage(error) || errnoOf(error) === 'EIO') throw error;
    return `it left something it cannot say that with: ${messageOf(error)}`;
  });
  const said = text.replaceAll(/[\u0000-\u001f\u007f]+/g, ' ').trim();
  return said === '' ? null : `the agent asks for a person: ${said.slice(0, MAX_BLOCKED_CHARS).toWellFormed()}`;
}

/** Takes what the agent committed into the mirror, where nothing of it changes any more. */
async function harvest(
  ctx: AttemptContext,
  { job, attempt, signal }: StageInput,
): Promise<{ work: Work; candidate: string | null }> {
  const [part] = await findParts(ctx, job);
  if (part === undefined || job.baseCommit === null) throw fail('internal', `job ${job.number} has no workspace`);
  failpoint('stage.before-harvest');
  const found = await harvestWork({
    mirrorDir: part.mirrorDir,
    workspaceDir: part.directory,
    baseCommit: job.baseCommit,
    ref: candidateRef(job.id, attempt.number),
    op: `${job.id}.${job.fence}`,
    signal,
  });
  switch (found.kind) {
    case 'committed':
      return { work: { kind: 'committed' }, candidate: found.commit };
    case 'uncommitted':
      return { work: { kind: 'uncommitted', diffSha256: found.diffSha256 }, candidate: null };
    case 'unusable':
      return { work: { kind: 'unusable', why: found.why }, candidate: null };
    case 'empty':
      return { work: { kind: 'empty' }, candidate: null };
  }
}

interface Found {
  result: GateResult;
  why: string | null;
  evidence: NewEvidence[];
  /** Of its tests, for a gate that told. */
  summary?: TestSummary | null;
  /** Why a verdict does not count, where that is because of who gave it or when. */
  refused?: 'late' | 'unauthorised' | null;
}

/** A gate command says what it found with its exit code; what it printed is kept beside it. Null: there is no result yet. */
async function readGate(ctx: AttemptContext, input: StageInput): Promise<Found | null> {
  const { job, attempt, ending, outputBytes } = input;
  const result = resultOf(ending);
  if (result === null) return null;
  const path = join(ctx.home.runDirectory(job.id, attempt.number), RUN_FILES.output);
  const named = { kind: 'output', name: attempt.gate ?? 'gate', attempt: attempt.number } as const;
  const kept = await keepFile(ctx.home.evidence(job.id), { path, bytes: outputBytes }, named);
  const told = await summariseTests(ctx, { job, attempt, output: kept });
  return {
    result,
    why: result === 'PASS' ? null : ending.blocker,
    evidence: [kept, told?.evidence ?? null].filter((one) => one !== null),
    summary: told?.summary ?? null,
  };
}

function resultOf(ending: Ending): GateResult | null {
  switch (ending.job) {
    case 'complete':
      return 'PASS';
    // Its exit code, or a limit it passed: a suite that does not end is no suite that passes.
    case 'fail':
    case 'time_out':
      return 'FAIL';
    case 'block':
      // The command is not there: nothing an agent could fix. A crash loop is no result at all.
      return ending.reason === 'fix_config' ? 'BLOCK' : null;
    default:
      return null;
  }
}

/** Only the verdict file counts, and only of a reviewer that ended well. */
async function readReview(ctx: AttemptContext, { job, attempt, ending }: StageInput): Promise<Found | null> {
  if (ending.job !== 'complete') {
    if (ending.job !== 'fail' && ending.job !== 'time_out') return null;
    return {
      result: 'BLOCK',
      why: `the reviewer failed: ${ending.blocker ?? ending.reason ?? 'unknown'}`,
      evidence: [],
    };
  }
  const question = reviewQuestion(ctx, job, attempt);
  const bytes = await readPlainFile(question.file).catch((error: unknown) => {
    // That the disk fails, or that too many files are open, says nothing of what the reviewer left.
    if (isShortage(error) || errnoOf(error) === 'EIO') throw error;
    return messageOf(error);
  });
  if (typeof bytes === 'string')
    return { result: 'BLOCK', why: `its verdict file cannot be read: ${bytes}`, evidence: [] };
  const leastScore = job.plan?.reviewers.find(({ name }) => name === attempt.gate)?.leastScore ?? 100;
  const { result, why, refused } = ctx.rules.judgeReview(bytes, question, leastScore);
  if (bytes === null) return { result, why, evidence: [] };
  const named = { kind: 'verdict', name: attempt.gate ?? 'review', attempt: attempt.number } as const;
  return { result, why, evidence: [await keepBytes(ctx.home.evidence(job.id), bytes, named)], refused };
}

async function concludeGate(
  ctx: AttemptContext,
  { job, attempt }: StageInput & { job: Piped },
  { result, why, evidence, summary = null, refused: word = null }: Found,
): Promise<Conclusion> {
  const gate = attempt.gate ?? '';
  const { candidate } = job.step;
  if (candidate === null) throw fail('internal', `job ${job.number} has a gate and nothing to pass it with`);
  const { next, merge } =
    attempt.stage === 'merge'
      ? judgeMerge(ctx, job, { gate, result, why })
      : { next: await decideGate(ctx, job, { stage: attempt.stage, gate, result, why }), merge: null };
  const record = { stage: attempt.stage, gate, result, why, candidate, attempt: attempt.number, summary };
  return toConclusion(next, {
    step: { ...job.step, merge },
    results: {
      gate: { ...record, evidence: evidence.map((one) => one.sha256) },
      evidence,
      refused: word === null ? null : { word, gate, why: why ?? word, attempt: attempt.number },
    },
  });
}

interface GateEnd {
  gate: string;
  result: GateResult;
  why: string | null;
}

function decideGate(ctx: AttemptContext, job: Piped, end: GateEnd & { stage: Job['stage'] }): Promise<Decision> {
  const { stage, gate, result, why } = end;
  const ended: StageEnd = { kind: 'gate', gate, result, why };
  return decideNext(ctx, job, { stage, ended, result: result === 'PASS' ? gate : null });
}

/** A gate of the result of a merge: what does not pass it is never merged, and is made anew. */
function judgeMerge(ctx: AttemptContext, job: Piped, end: GateEnd): { next: Decision; merge: MergeIntent | null } {
  const { plan, step } = job;
  const { gate, result, why } = end;
  const passed = new Set([...(step.merge?.passed ?? []), ...(result === 'PASS' ? [gate] : [])]);
  const merge = result === 'PASS' && step.merge !== null ? { ...step.merge, passed: [...passed] } : null;
  const said = `${gate} on the merged result: ${why ?? result}`;
  const ended: StageEnd =
    result === 'BLOCK'
      ? { kind: 'gate', gate, result, why }
      : { kind: 'merge', result: result === 'PASS' ? 'gate-passed' : 'gate-failed', why: said };
  return { next: ctx.rules.decide({ stage: 'merge', ended, plan, passed, spent: step.spent }), merge };
}

/** Asks the rules; `result` is the gate that was passed just now. */
export async function decideNext(
  ctx: AttemptContext,
  job: Piped,
  what: { stage: Job['stage']; ended: StageEnd; result: string | null },
): Promise<Decision> {
  // New work begins without any: what was passed before was passed by other work.
  const recorded = what.ended.kind === 'work' ? [] : await listPassed(ctx, job);
  const passed = new Set([...recorded.map(({ gate }) => gate), ...(what.result === null ? [] : [what.result])]);
  return ctx.rules.decide({ stage: what.stage, ended: what.ended, plan: job.plan, passed, spent: job.step.spent });
}

/** Returns a decision as what the store is to record. */
export function toConclusion(next: Decision, what: { step: Step; results: StageResults }): Conclusion {
  const { results } = what;
  const step = { ...what.step, spent: next.spent };
  const end = (transition: JobTransition, reason: Reason | null, blocker: string | null): Conclusion => ({
    transition,
    set: { reason, blocker, step },
    newEpoch: false,
    results,
  });
  switch (next.kind) {
    case 'go': {
      const { stage, gate, task, newEpoch } = next;
      return {
        ...end('advance', null, null),
        set: { reason: null, blocker: null, stage, step: { ...step, gate, task } },
        newEpoch,
      };
    }
    case 'ready':
      return end('hand_off', next.reason, next.blocker);
    case 'complete':
      return end('complete', null, null);
    case 'block':
      return end('block', next.reason, next.blocker);
  }
}
