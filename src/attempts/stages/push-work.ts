/**
 * The push of a hand-off. Its intent is the row of the job: the stage, the candidate and the target its plan was accepted
 * with. It is done under the claim and recorded with the hand-off; after a crash it is looked at what is there.
 */
import { HoldfastError } from '../../kernel/errors.ts';
import type { Job, Reason } from '../../lifecycle/job.ts';
import type { PushRecord } from '../../lifecycle/stage.ts';
import { pushBranch } from '../../workspace/push-branch.ts';
import { handOffRef } from '../../workspace/saved-trees.ts';
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
 * Pushes the branch; returns what came of it. A push that fails does not cost the hand-off: the failure is an answer.
 * Throws `storage-full` and the reason of an abort: then it is still to be done.
 */
export async function pushWork(ctx: AttemptContext, pushing: Pushing): Promise<PushRecord> {
  const { job, part, target, branch, commit, signal } = pushing;
  const why = await pushBranch({
    mirrorDir: part.mirrorDir,
    target,
    branch,
    base: part.registered.base,
    commit,
    ref: handOffRef(job.id),
    op: claimOperation(job),
    signal,
  }).then(
    (outcome) => (outcome.kind === 'pushed' ? null : outcome.why),
    (error: unknown) => {
      signal.throwIfAborted();
      if (error instanceof HoldfastError && error.code !== 'storage-full') return error.detail;
      throw error;
    },
  );
  ctx.log.info(`Job ${job.number} ${why === null ? 'pushed' : 'not pushed'}: branch ${branch}`, { job: job.id, why });
  return { target, branch, commit, why };
}

/** Returns what a person is told of a hand-off whose branch is not where it was to go; null for one that is. */
export function tellOfPush(push: PushRecord | null): { reason: Reason; blocker: string } | null {
  if (push === null || push.why === null) return null;
  return { reason: 'push_failed', blocker: `${push.branch} was not pushed to ${push.target}: ${push.why}` };
}
