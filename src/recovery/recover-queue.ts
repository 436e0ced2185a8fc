import type { AttemptContext } from '../attempts/context.ts';
import { setAside } from '../attempts/set-aside.ts';
import { endOperation } from '../keeper/processes.ts';
import type { Clock } from '../kernel/clock.ts';
import type { JobFinding } from '../lifecycle/report.ts';
import { quarantineFinding, startFinding } from './finding.ts';

/** How long leftover children of the last server may take to die, milliseconds. */
const LEFTOVER_DEADLINE_MS = 10_000;

/**
 * Phase 2: a job that was claimed but has no attempt goes back to its old position, after whatever the last server had
 * started for it (git, copies) is dead. Returns one finding per job.
 */
export async function recoverQueue(ctx: AttemptContext, clock: Clock): Promise<JobFinding[]> {
  const began = clock.monotonic();
  const claimed = (await ctx.store.listActiveJobs()).filter((job) => job.state === 'preparing');
  const findings: JobFinding[] = [];
  for (const job of claimed) {
    const { left } = await endOperation(`${job.id}.`, LEFTOVER_DEADLINE_MS);
    if (left.length > 0) {
      // They may still write into its workspace: this job waits for a person, the others go on.
      const why = `processes that prepared it cannot be ended: ${left.map((one) => one.pid).join(', ')}`;
      await setAside(ctx, { job, why, actor: 'recovery' });
      findings.push(quarantineFinding(job, why, ctx.home.job(job.id)));
      continue;
    }
    const transition = job.cancelRequestedAt === null ? 'requeue' : 'cancel';
    await ctx.store.moveJob({ id: job.id, transition, fence: job.fence, actor: 'recovery' });
    findings.push({
      ...startFinding(job),
      outcome: 'requeued',
      evidence: [{ kind: 'store', path: ctx.home.database, note: 'claimed, and no attempt was recorded' }],
      nextSafeAction: 'wait',
    });
  }
  const queued = (await ctx.store.countJobsByState()).queued;
  ctx.log.info(`Queue recovered: ${queued} jobs in ${Math.round(clock.monotonic() - began)} ms`);
  return findings;
}
