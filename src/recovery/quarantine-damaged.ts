import type { AttemptContext } from '../attempts/context.ts';
import { setAside } from '../attempts/set-aside.ts';
import type { JobFinding } from '../lifecycle/report.ts';
import { canMoveJob } from '../lifecycle/transitions.ts';
import type { StoreCheck } from '../store/store.ts';
import { quarantineFinding } from './finding.ts';

/**
 * Sets aside every live job whose rows contradict their journal: nothing is started, followed or ended on the word of a
 * damaged record. Whatever lives of it is left alone for a person. Returns one finding per job.
 */
export async function quarantineDamaged(ctx: AttemptContext, corrupt: StoreCheck['corrupt']): Promise<JobFinding[]> {
  const findings: JobFinding[] = [];
  for (const { kind, id, why } of corrupt) {
    const job = kind === 'job' ? await ctx.store.getJob(id) : null;
    if (job === null || !canMoveJob(job.state, 'quarantine')) continue;
    const blocker = `its record in the store is damaged: ${why}`;
    await setAside(ctx, { job, why: blocker, actor: 'recovery' });
    findings.push(quarantineFinding(job, blocker, ctx.home.database));
  }
  return findings;
}
