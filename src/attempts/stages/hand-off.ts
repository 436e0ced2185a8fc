/**
 * The hand-off: a branch in the mirror, a patch, and a report of what was checked and how. It is carried out by the
 * server under the claim of the job; every part of it can be repeated.
 */
import { fail } from '../../kernel/errors.ts';
import { failpoint } from '../../kernel/failpoints.ts';
import type { Job } from '../../lifecycle/job.ts';
import { renderPatch } from '../../workspace/render-patch.ts';
import { handOffRef } from '../../workspace/saved-trees.ts';
import { setRef } from '../../workspace/set-ref.ts';
import type { AttemptContext } from '../context.ts';
import { claimOperation } from '../ready-workspace.ts';
import { recordPatiently } from '../record-patiently.ts';
import { findParts } from '../save-trees.ts';
import { decideNext, toConclusion } from './conclude-stage.ts';
import { keepBytes } from './evidence-files.ts';

/** Hands the work of a claimed job off. Throws `git-failed`, `storage-full`: then it is still at this stage. */
export async function handOff(ctx: AttemptContext, job: Job, signal: AbortSignal): Promise<void> {
  const { plan, step, baseCommit } = job;
  const [part] = await findParts(ctx, job);
  if (plan === null || step === null || step.candidate === null || baseCommit === null || part === undefined) {
    throw fail('internal', `job ${job.number} has nothing to hand off`);
  }
  const { candidate } = step;
  const op = claimOperation(job);
  const git = { mirrorDir: part.mirrorDir, op, signal };
  failpoint('handoff.before-branch');
  const branch = branchOf(job);
  await setRef({ ...git, ref: handOffRef(job.id), commit: candidate, message: `hand-off of ${branch}` });
  const patch = await renderPatch({ ...git, from: baseCommit, to: candidate });
  const named = { kind: 'patch', name: `job-${job.number}.patch`, attempt: null } as const;
  const evidence = patch === null ? [] : [await keepBytes(ctx.home.evidence(job.id), patch, named)];
  const next = await decideNext(
    ctx,
    { ...job, plan, step },
    { stage: 'handoff', ended: { kind: 'handed-off' }, result: null },
  );
  const { transition, set, results } = toConclusion(next, { step, results: { gate: null, evidence } });
  failpoint('handoff.before-record');
  await recordPatiently(ctx, signal, () =>
    ctx.store.moveJob({ id: job.id, transition, fence: job.fence, set, results, actor: 'attempts' }),
  );
  failpoint('handoff.after-record');
  ctx.log.info(`Job ${job.number} ${transition}: branch ${branch}`, { job: job.id });
}

/** `holdfast/<number>`; a title is added by who knows one. */
function branchOf(job: Job): string {
  return `holdfast/${job.number}`;
}
