import type { AttemptContext } from '../attempts/context.ts';
import { setAside } from '../attempts/set-aside.ts';
import type { Job } from '../lifecycle/job.ts';
import type { JobFinding } from '../lifecycle/report.ts';
import { canMoveJob, type JobState } from '../lifecycle/transitions.ts';
import { messageOf } from '../kernel/result.ts';
import { DAMAGED_RECORD, type NewQuarantine } from '../store/quarantine-store.ts';
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
    findings.push(await quarantineOne(ctx, job, why));
  }
  return findings;
}

async function quarantineOne(ctx: AttemptContext, job: Job, why: string): Promise<JobFinding> {
  const blocker = DAMAGED_RECORD + why;
  await setAside(ctx, { job, why: blocker, actor: 'recovery' });
  return quarantineFinding(job, blocker, ctx.home.database);
}

/** States in which nothing of a job has begun, or lives between two stages. */
const WAITING: ReadonlySet<JobState> = new Set(['created', 'waiting', 'queued']);

/**
 * Sets aside the waiting jobs among what the check of history found; one that has begun was verified before it did, and
 * what runs is not ended for what is found now. Returns one finding per job.
 */
export async function quarantineWaiting(ctx: AttemptContext, found: readonly NewQuarantine[]): Promise<JobFinding[]> {
  const findings: JobFinding[] = [];
  for (const { kind, item, why } of found) {
    const job = kind === 'job' ? await ctx.store.getJob(item) : null;
    if (job === null || !WAITING.has(job.state)) continue;
    try {
      findings.push(await quarantineOne(ctx, job, why));
    } catch (error) {
      // Claimed in between, and so verified; or a row that no state fits any more, which is never claimed.
      ctx.log.warn(`job ${job.number} could not be set aside: ${messageOf(error)}`, { job: job.id });
    }
  }
  return findings;
}
