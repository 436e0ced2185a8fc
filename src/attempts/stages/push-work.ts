/**
 * The push of a hand-off. Its intent is the row of the job: the stage, the candidate and the target its plan was accepted
 * with. It is done under the claim and recorded with the hand-off; after a crash it is looked at what is there.
 */
import { delay } from '../../kernel/backoff.ts';
import { HoldfastError } from '../../kernel/errors.ts';
import type { Job, Reason } from '../../lifecycle/job.ts';
import type { PushRecord } from '../../lifecycle/stage.ts';
import { pushBranch, type PushOutcome } from '../../workspace/push-branch.ts';
import { handOffRef } from '../../workspace/saved-trees.ts';
import { checkOwner } from '../check-owner.ts';
import type { AttemptContext } from '../context.ts';
import { claimOperation } from '../ready-workspace.ts';
import type { Part } from '../save-trees.ts';

interface Pushing {
  job: Job;
  part: Part;
  target: string;
  branch: string;
  commit: string;
  signal: AbortSignal;
}

/**
 * Pauses before a push is tried again, milliseconds: a connection that was cut, or a lock of somebody who is at work, is
 * over by then or will be for longer. The job keeps its place among those at work meanwhile.
 */
const PAUSES_MS: readonly number[] = [1000, 5000];
/** No further try begins later than this after the first, milliseconds: a remote may take ten minutes for one. */
const MAX_TRYING_MS = 120_000;

/**
 * Pushes the branch, a few times where only the way there failed; returns what came of it. A push that fails does not cost
 * the hand-off: the failure is an answer. Throws `fenced`, `storage-full` and the reason of an abort: then it is still to
 * be done.
 */
export async function pushWork(ctx: AttemptContext, pushing: Pushing): Promise<PushRecord> {
  const { job, target, branch, commit, signal } = pushing;
  const began = ctx.clock.monotonic();
  for (let tries = 1; ; tries++) {
    const outcome = await tryPush(pushing);
    const why = outcome.kind === 'pushed' ? null : outcome.why;
    const pauseMs = outcome.kind === 'unreached' ? PAUSES_MS[tries - 1] : undefined;
    if (pauseMs === undefined || ctx.clock.monotonic() - began > MAX_TRYING_MS) {
      ctx.log.info(`Job ${job.number} ${why === null ? 'pushed' : 'not pushed'}: branch ${branch}`, {
        job: job.id,
        why,
        tries,
      });
      return { target, branch, commit, why, tries };
    }
    ctx.log.warn(`Job ${job.number} is pushed again in ${pauseMs} ms: ${why ?? ''}`, { job: job.id, tries });
    await delay(pauseMs, signal);
    await checkOwner(ctx, job);
  }
}

async function tryPush({ job, part, target, branch, commit, signal }: Pushing): Promise<PushOutcome> {
  const request = { mirrorDir: part.mirrorDir, target, branch, base: part.registered.base, commit, signal };
  try {
    return await pushBranch({ ...request, ref: handOffRef(job.id), op: claimOperation(job) });
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof HoldfastError && error.code !== 'storage-full') return { kind: 'refused', why: error.detail };
    throw error;
  }
}

/** Returns what a person is told of a hand-off whose branch is not where it was to go; null for one that is. */
export function tellOfPush(push: PushRecord | null): { reason: Reason; blocker: string } | null {
  if (push === null || push.why === null) return null;
  const often = (push.tries ?? 1) > 1 ? ` (tried ${push.tries} times)` : '';
  return {
    reason: 'push_failed',
    blocker: `${push.branch} was not pushed to ${push.target}: ${push.why}${often}`,
  };
}
