/**
 * The hand-off: a branch in the mirror, a patch, and a report of what was checked and how. It is carried out by the
 * server under the claim of the job; every part of it can be repeated.
 */
import { fail } from '../../kernel/errors.ts';
import { failpoint } from '../../kernel/failpoints.ts';
import type { Job } from '../../lifecycle/job.ts';
import type { HandOffFacts } from '../../lifecycle/stage-rules.ts';
import type { Plan, Step } from '../../lifecycle/stage.ts';
import type { NewEvidence } from '../../store/ledger-store.ts';
import { statDiff } from '../../workspace/diff-stat.ts';
import { renderPatch } from '../../workspace/render-patch.ts';
import { handOffRef } from '../../workspace/saved-trees.ts';
import { setRef } from '../../workspace/set-ref.ts';
import { checkOwner } from '../check-owner.ts';
import type { AttemptContext } from '../context.ts';
import { claimOperation } from '../ready-workspace.ts';
import { recordPatiently } from '../record-patiently.ts';
import { findParts, type Part } from '../save-trees.ts';
import { clearStages } from './clear-stages.ts';
import { decideNext, toConclusion } from './conclude-stage.ts';
import { keepBytes } from './evidence-files.ts';
import { requirePassed } from './use-evidence.ts';
import { pushWork, tellOfPush } from './push-work.ts';

interface HandingOff {
  job: Job & { plan: Plan; step: Step };
  part: Part;
  base: string;
  candidate: string;
  signal: AbortSignal;
}

/** Hands the work of a claimed job off. Throws `git-failed`, `storage-full`: then it is still at this stage. */
export async function handOff(ctx: AttemptContext, job: Job, signal: AbortSignal): Promise<void> {
  const { plan, step, baseCommit } = job;
  const [part] = await findParts(ctx, job);
  if (plan === null || step === null || step.candidate === null || baseCommit === null || part === undefined) {
    throw fail('internal', `job ${job.number} has nothing to hand off`);
  }
  const handing = { job: { ...job, plan, step }, part, base: baseCommit, candidate: step.candidate, signal };
  const git = { mirrorDir: part.mirrorDir, op: claimOperation(job), signal };
  await requirePassed(ctx, job);
  failpoint('stage.before-branch');
  const { branch, title } = await nameWork(ctx, job);
  await checkOwner(ctx, job);
  await setRef({ ...git, ref: handOffRef(job.id), commit: step.candidate, message: `hand-off of ${branch}` });
  const evidence = await keepReport(ctx, handing, { branch, title });
  const next = await decideNext(ctx, handing.job, { stage: 'handoff', ended: { kind: 'handed-off' }, result: null });
  const { push: target } = plan;
  const pushing = { job, part, branch, commit: step.candidate, signal };
  const push = target === undefined ? null : await pushWork(ctx, { ...pushing, target });
  const reached = push === null ? step : { ...step, push };
  const { transition, set, results } = toConclusion(next, { step: reached, results: { gate: null, evidence } });
  const told = { ...set, ...tellOfPush(push) };
  failpoint('stage.before-hand-off');
  const ended = await recordPatiently(ctx, signal, () =>
    ctx.store.moveJob({ id: job.id, transition, fence: job.fence, set: told, results, actor: 'attempts' }),
  );
  failpoint('stage.after-hand-off');
  ctx.log.info(`Job ${job.number} ${transition}: branch ${branch}`, { job: job.id });
  await clearStages(ctx, ended);
}

/** Returns what the branch of a job is called, without `refs/heads/`, and its title. */
export async function nameWork(ctx: AttemptContext, job: Job): Promise<{ branch: string; title: string }> {
  const text = (await ctx.store.getPrompt(job.promptSha256)) ?? '';
  const title = ctx.rules.titleOf(text, job.packet === true);
  return { title, branch: ctx.rules.branchOf({ number: job.number, title }) };
}

async function keepReport(
  ctx: AttemptContext,
  { job, part, base, candidate, signal }: HandingOff,
  named: { branch: string; title: string },
): Promise<NewEvidence[]> {
  const directory = ctx.home.evidence(job.id);
  const request = { mirrorDir: part.mirrorDir, from: base, to: candidate, op: claimOperation(job), signal };
  const keep = (data: string | Uint8Array, kind: 'patch' | 'report', name: string): Promise<NewEvidence> =>
    keepBytes(directory, data, { kind, name, attempt: null });
  const bytes = await renderPatch(request);
  const patch = bytes === null ? null : await keep(bytes, 'patch', `job-${job.number}.patch`);
  const gates = await ctx.store.listGates(job.id);
  const facts: HandOffFacts = {
    job: { id: job.id, number: job.number },
    ...named,
    repository: part.repository,
    base: { branch: part.registered.base, commit: base },
    candidate,
    ...(await statDiff(request)),
    gates: gates.filter((gate) => gate.epoch === job.epoch && gate.candidate === candidate),
    evidence: await ctx.store.listEvidence(job.id),
    patchSha256: patch?.sha256 ?? null,
    transcriptSha256: job.transcriptSha256,
  };
  const { json, markdown } = ctx.rules.report(facts);
  return [
    ...(patch === null ? [] : [patch]),
    await keep(json, 'report', `job-${job.number}.json`),
    await keep(markdown, 'report', `job-${job.number}.md`),
  ];
}
