import type { AttemptContext } from '../attempts/context.ts';
import { canMoveJob } from '../lifecycle/transitions.ts';
import type { JobFinding } from '../lifecycle/report.ts';
import type { StoreCheck } from '../store/store.ts';
import { quarantineFinding } from './finding.ts';

/**
 * Sets aside every live job whose rows contradict their journal: nothing is started, followed or ended on the word of a
 * damaged record. Whatever lives of it is left alone for a person. Returns one finding per job.
 */
export async function quarantineDamaged(ctx: AttemptContext, corrupt: StoreCheck['corrupt']): Promise<JobFinding[]> {
  const findings: JobFinding[] = [];
  for (const { kind, id, why } of corrupt) {
    if (kind !== 'job') continue;
    const job = await ctx.store.getJob(id);
    if (job === null || !canMoveJob(job.state, 'quarantine')) continue;
    const blocker = `its record in the store is damaged: ${why}`;
    const jobMove = {
      id,
      transition: 'quarantine' as const,
      fence: job.fence,
      set: { reason: 'record_corrupt' as const, blocker },
      actor: 'recovery',
    };
    const attempt = (await ctx.store.listAttempts(id)).find(
      (one) => one.state === 'intended' || one.state === 'running',
    );
    if (attempt === undefined) await ctx.store.moveJob(jobMove);
    else {
      const set = { verdict: 'QUARANTINE' as const, note: why };
      const attemptMove = {
        id: attempt.id,
        transition: 'quarantine' as const,
        fence: attempt.fence,
        set,
        actor: 'recovery',
      };
      await ctx.store.settleAttempt(attemptMove, jobMove);
    }
    ctx.log.error(`Job ${job.number} quarantined: ${blocker}`, { job: id });
    findings.push(quarantineFinding(job, blocker, ctx.home.database));
  }
  return findings;
}
