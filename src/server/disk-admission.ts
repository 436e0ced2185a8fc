import { statfs } from 'node:fs/promises';
import type { AttemptContext } from '../attempts/context.ts';
import { findAdapter } from '../attempts/find-adapter.ts';
import type { Supervisor } from '../attempts/supervisor.ts';
import { messageOf } from '../kernel/result.ts';
import { createAdmission, type Admission } from '../queue/admission.ts';
import type { DiskLimits } from '../queue/disk-level.ts';
import { orderByLoss, type AtWork } from '../queue/least-lost.ts';

/** Returns the admission of a server: looks at the disk of its home, warns its jobs, and pauses them one by one. */
export function createDiskAdmission(
  ctx: AttemptContext,
  input: { supervisor: Supervisor; limits: DiskLimits; onOpen: () => void },
): Admission {
  const { supervisor, limits, onOpen } = input;
  return createAdmission({
    probe: async () => {
      const { bavail, blocks, bsize } = await statfs(ctx.home.root);
      return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
    },
    limits,
    clock: ctx.clock,
    log: ctx.log,
    isBusy: () => supervisor.countRuns() > 0,
    onOpen,
    onLow: (why) => warnAll(ctx, why),
    onCritical: (why) => pauseOne(ctx, supervisor, why),
  });
}

/** Tells every job at work, in the log and in its own history. One that cannot be told, ended meanwhile or has no room. */
async function warnAll(ctx: AttemptContext, why: string): Promise<void> {
  for (const job of await ctx.store.listActiveJobs()) {
    ctx.log.warn(`Job ${job.number} warned: ${why}`, { job: job.id });
    try {
      await ctx.store.warnJob({ id: job.id, fence: job.fence, warning: why, actor: 'admission' });
    } catch (error) {
      ctx.log.warn(`the warning of job ${job.number} is in this log only: ${messageOf(error)}`, { job: job.id });
    }
  }
}

/** Pauses the job that loses least by it; the next one only once that has ended and the disk was looked at again. */
async function pauseOne(ctx: AttemptContext, supervisor: Supervisor, why: string): Promise<void> {
  if (supervisor.isPausing()) return;
  const jobs = (await ctx.store.listActiveJobs()).filter((job) => job.state === 'running');
  const atWork = jobs.map(async (job): Promise<AtWork> => {
    const attempt = await ctx.store.getAttempt(job.id, job.attempts);
    const canResume = findAdapter(ctx, job.agent)?.capabilities.resume === true && job.sessionId !== null;
    return { jobId: job.id, since: attempt?.intendedAt ?? 0, losesAll: !canResume };
  });
  for (const { jobId } of orderByLoss(await Promise.all(atWork))) {
    if (!(await supervisor.pause(jobId, `paused: ${why}`))) continue;
    const number = jobs.find((job) => job.id === jobId)?.number;
    ctx.log.warn(`Job ${number} is stopped and queued again at its place: ${why}`, { job: jobId });
    return;
  }
}
