/**
 * The merge: carried out by the server under the claim of the job, one at a time in a repository. First a commit that
 * stands on the base is made in the mirror and recorded as the intent {from, to}; gates prove it in attempts of their own;
 * then the base branch is moved by compare-and-swap. A merge that a crash interrupted is claimed again by the ordinary
 * dispatcher and looks first at what is there.
 */
import { fail } from '../../kernel/errors.ts';
import { failpoint } from '../../kernel/failpoints.ts';
import { messageOf } from '../../kernel/result.ts';
import type { Job } from '../../lifecycle/job.ts';
import type { MergeResult } from '../../lifecycle/stage-decision.ts';
import type { MergeIntent, Plan, Step } from '../../lifecycle/stage.ts';
import { advanceBase, type AdvanceOutcome } from '../../workspace/advance-base.ts';
import { mergeCandidate } from '../../workspace/merge-candidate.ts';
import { advanceMirrorBase, isInHistory } from '../../workspace/mirror-base.ts';
import { mergeRef } from '../../workspace/saved-trees.ts';
import { askSource } from '../ask-source.ts';
import { checkOwner } from '../check-owner.ts';
import type { AttemptContext } from '../context.ts';
import { fetchBase } from '../fetch-base.ts';
import { claimOperation, type Preparation } from '../ready-workspace.ts';
import { recordPatiently } from '../record-patiently.ts';
import { findParts, type Part } from '../save-trees.ts';
import { clearStages } from './clear-stages.ts';
import { toConclusion } from './conclude-stage.ts';
import { keepBytes } from './evidence-files.ts';
import { requirePassed } from './use-evidence.ts';

interface Merging {
  preparation: Preparation;
  job: Job & { plan: Plan; step: Step };
  candidate: string;
  /** Commit the work began at. */
  begunAt: string;
  part: Part;
  signal: AbortSignal;
}

/** What came of it, and the intent that stands after it. */
interface Outcome {
  result: MergeResult;
  why: string | null;
  intent: MergeIntent | null;
  /** What git said, for whoever resolves it. */
  text?: string;
}

/** Name of the merge itself in the ledger. */
const MERGE_GATE = 'merge';

/** Carries the merge of a claimed job one step on. Throws what git and the source throw: then it is still at this step. */
export async function carryMerge(
  ctx: AttemptContext,
  input: { preparation: Preparation; job: Job; signal: AbortSignal },
): Promise<void> {
  const { job } = input;
  const [part] = await findParts(ctx, job);
  const { plan, step, baseCommit } = job;
  if (plan === null || step === null || step.candidate === null || baseCommit === null || part === undefined) {
    throw fail('internal', `job ${job.number} has nothing to merge`);
  }
  const merging = { ...input, job: { ...job, plan, step }, candidate: step.candidate, begunAt: baseCommit, part };
  await requirePassed(ctx, job);
  const outcome = step.merge === null ? await prepareMerge(merging) : await finishMerge(ctx, merging, step.merge);
  await recordOutcome(ctx, merging, outcome);
}

/** Returns where the base branch is now. */
function fetchNow({ job, part, preparation, signal }: Merging): Promise<string> {
  const operation = claimOperation(job);
  const holding = { repository: part.repository, operation, jobId: job.id, signal };
  return preparation.locks.withLock(holding, () =>
    fetchBase(preparation.fetching, { repository: part.registered, job: null, operation, signal }),
  );
}

async function prepareMerge(merging: Merging): Promise<Outcome> {
  const { job, part, candidate, begunAt, signal } = merging;
  const base = await fetchNow(merging);
  const ref = mergeRef(job.id, job.fence);
  const merged = await mergeCandidate({
    mirrorDir: part.mirrorDir,
    base,
    candidate,
    begunAt,
    message: `Merge job ${job.number}`,
    ref,
    op: claimOperation(job),
    signal,
  });
  switch (merged.kind) {
    case 'empty':
      return { result: 'empty', why: `${part.registered.base} has everything of it already`, intent: null };
    case 'conflict': {
      const why = `it conflicts with ${part.registered.base} at ${base} in ${merged.paths.join(', ')}`;
      const text = `base ${base}\n${merged.text}`;
      // An agent that merged it would bring back what was dropped.
      if (merged.rewritten)
        return { result: 'held', why: `it was rewritten since the work began, and ${why}`, intent: null, text };
      return { result: 'conflict', why, intent: null, text };
    }
    case 'merged': {
      // The very tree that passed every gate needs no second proof.
      const passed = merged.fastForward ? job.plan.verify.map(({ name }) => name) : [];
      return { result: 'prepared', why: null, intent: { from: base, to: merged.commit, ref, passed } };
    }
  }
}

async function finishMerge(ctx: AttemptContext, merging: Merging, intent: MergeIntent): Promise<Outcome> {
  const { job, part, preparation, signal } = merging;
  const { sources } = preparation.fetching;
  const { name, source, sourceKind, base, trouble } = part.registered;
  await checkOwner(ctx, job);
  const request = {
    mirrorDir: part.mirrorDir,
    source,
    sourceKind,
    branch: base,
    from: intent.from,
    to: intent.to,
    ref: intent.ref,
    message: `holdfast: merge job ${job.number}`,
    op: claimOperation(job),
    signal,
  };
  const advanced = await askSource(sources, { repository: part.registered, signal }, () => advanceBase(request));
  if (trouble !== null) await sources.reportAnswer(name);
  if (advanced.kind === 'moved' && sourceKind === 'url' && (await wentOn(merging, intent)))
    return { result: 'merged', why: null, intent };
  if (advanced.kind === 'advanced') await tellMirror(ctx, merging, intent);
  return { ...describeAdvance(advanced, base), intent: advanced.kind === 'advanced' ? intent : null };
}

/**
 * What begins next must not stand on the base before this merge, though its need of a fetch may be met already. Whatever
 * goes wrong here, a cancel included: the base is moved, and that is recorded.
 */
async function tellMirror(ctx: AttemptContext, merging: Merging, { to: commit }: MergeIntent): Promise<void> {
  const { job, part, preparation, signal } = merging;
  const { mirrorDir, registered } = part;
  const operation = claimOperation(job);
  const holding = { repository: part.repository, operation, jobId: job.id, signal };
  const tell = { mirrorDir, base: registered.base, commit, op: operation, signal };
  try {
    await preparation.locks.withLock(holding, () => advanceMirrorBase(tell));
  } catch (error) {
    ctx.log.warn(`the mirror of ${registered.name} learns of a merge only by its next fetch: ${messageOf(error)}`);
  }
}

/** A remote tells only where its branch is: whether it went on from our merge is seen in what it has become. */
async function wentOn(merging: Merging, { to: commit }: MergeIntent): Promise<boolean> {
  const tip = await fetchNow(merging);
  return isInHistory({ mirrorDir: merging.part.mirrorDir, commit, tip });
}

function describeAdvance(advanced: AdvanceOutcome, base: string): { result: MergeResult; why: string | null } {
  switch (advanced.kind) {
    case 'advanced':
      return { result: 'merged', why: advanced.note };
    case 'moved':
      return { result: 'moved', why: `${base} was moved meanwhile to ${advanced.at ?? 'nothing'}` };
    case 'held':
      return { result: 'held', why: advanced.why };
    case 'refused':
      return { result: 'refused', why: advanced.why };
  }
}

/** Results that say something of the work or end the merge have a line in the ledger. */
const RESULTS: Partial<Record<MergeResult, 'PASS' | 'FAIL' | 'BLOCK'>> = {
  merged: 'PASS',
  conflict: 'FAIL',
  empty: 'BLOCK',
  refused: 'BLOCK',
  held: 'BLOCK',
};

async function recordOutcome(ctx: AttemptContext, merging: Merging, outcome: Outcome): Promise<void> {
  const { job, candidate, signal } = merging;
  const { result, why, intent, text } = outcome;
  const named = { kind: 'merge', name: `merge of job ${job.number}`, attempt: null } as const;
  const evidence = text === undefined ? [] : [await keepBytes(ctx.home.evidence(job.id), text, named)];
  const passed = new Set(intent?.passed);
  const ended = { kind: 'merge', result, why } as const;
  const next = ctx.rules.decide({ stage: 'merge', ended, plan: job.plan, passed, spent: job.step.spent });
  const verdict = RESULTS[result];
  const hashes = evidence.map(({ sha256 }) => sha256);
  const gate =
    verdict === undefined
      ? null
      : ({
          stage: 'merge',
          gate: MERGE_GATE,
          result: verdict,
          why,
          candidate,
          attempt: null,
          evidence: hashes,
        } as const);
  const results = { gate: gate === null ? null : { ...gate, evidence: hashes }, evidence };
  const move = toConclusion(next, { step: { ...job.step, merge: intent }, results });
  failpoint('merge.before-record');
  const moved = await recordPatiently(ctx, signal, () =>
    ctx.store.moveJob({ id: job.id, fence: job.fence, actor: 'attempts', ...move }),
  );
  failpoint('merge.after-record');
  ctx.log.info(`Job ${job.number} merge ${result}: ${moved.state}`, { job: job.id, why });
  await clearStages(ctx, moved);
}
