import type { AttemptContext } from '../attempts/context.ts';
import { findAdapter } from '../attempts/find-adapter.ts';
import { setAside } from '../attempts/set-aside.ts';
import type { Adoption, Supervisor } from '../attempts/supervisor.ts';
import { scanProcesses, type ProcessScan } from '../keeper/processes.ts';
import { classifyHeartbeat, readSentinel } from '../keeper/sentinel.ts';
import { failpoint } from '../kernel/failpoints.ts';
import { messageOf } from '../kernel/result.ts';
import type { Attempt } from '../lifecycle/attempt.ts';
import type { Job } from '../lifecycle/job.ts';
import type { JobFinding, RecoveryReport } from '../lifecycle/report.ts';
import { isWork } from '../lifecycle/stage.ts';
import { describeAdoption, quarantineFinding } from './finding.ts';

/** Attempts judged at the same time: enough to hide waiting for disk and sockets, few enough for memory. */
const PARALLEL = 32;

/**
 * Phase 3: every attempt that was alive when the last server went is judged and acted on: reattached, recorded,
 * requeued or set aside. One that cannot be handled is quarantined with its reason; the others go on.
 */
export async function recoverAttempts(ctx: AttemptContext, supervisor: Supervisor): Promise<JobFinding[]> {
  const attempts = await ctx.store.listLiveAttempts();
  const jobs = new Map((await ctx.store.listActiveJobs()).map((job) => [job.id, job]));
  const scan = scanProcesses();
  const findings: JobFinding[] = [];
  const queue = attempts.values();
  const worker = async (): Promise<void> => {
    for (const attempt of queue) {
      const job = jobs.get(attempt.jobId);
      if (job !== undefined) findings.push(await recoverOne(ctx, supervisor, { attempt, job, scan }));
    }
  };
  await Promise.all(Array.from({ length: Math.min(PARALLEL, attempts.length) }, worker));
  const withAttempt = new Set(attempts.map((attempt) => attempt.jobId));
  for (const job of jobs.values()) {
    if (job.state === 'running' && !withAttempt.has(job.id))
      findings.push(
        await quarantineJob(ctx, job, { why: 'it is running, but no attempt of it is', path: ctx.home.database }),
      );
  }
  return findings.toSorted((a, b) => a.number - b.number);
}

async function recoverOne(
  ctx: AttemptContext,
  supervisor: Supervisor,
  input: { attempt: Attempt; job: Job; scan: ProcessScan },
): Promise<JobFinding> {
  const { attempt, job } = input;
  try {
    const lastHeartbeatAt = await logHeartbeat(ctx, attempt, job);
    failpoint('recovery.before-verdict');
    const adoption = await supervisor.adopt(attempt, job, input.scan);
    failpoint('recovery.after-verdict');
    logAdoption(ctx, adoption);
    const hasSession = isWork(attempt.stage) && adoption.job.sessionId !== null;
    const canResume = hasSession && findAdapter(ctx, job.agent)?.capabilities.resume === true;
    return describeAdoption(job, adoption, { canResume, lastHeartbeatAt });
  } catch (error) {
    return quarantineJob(ctx, job, { why: messageOf(error), path: ctx.home.runDirectory(job.id, attempt.number) });
  }
}

/** For people only: the verdict never hangs on it. Returns when the keeper last wrote, or null. */
async function logHeartbeat(ctx: AttemptContext, attempt: Attempt, job: Job): Promise<number | null> {
  const sentinel = await readSentinel(ctx.home.runDirectory(job.id, attempt.number), attempt.id);
  if (sentinel.kind !== 'ok') return null;
  const { lastHeartbeat } = sentinel.record;
  const ageMs = ctx.clock.now() - lastHeartbeat;
  const health = classifyHeartbeat(ageMs, ctx.heartbeatAges);
  ctx.log.info(`Job ${job.number} heartbeat ${health}, age ${Math.round(ageMs / 1000)}s`, { job: job.id });
  return lastHeartbeat;
}

function logAdoption(ctx: AttemptContext, { resolution, attempt, job }: Adoption): void {
  if (resolution.kind !== 'alive') return;
  const { evidence } = resolution.judgement;
  const pid = (evidence.agent ?? evidence.keeper)?.pid ?? 0;
  ctx.log.info(
    `Reattached to job ${job.number} (attempt ${attempt.number}, pid ${pid}), retrieved ${evidence.outputBytes} bytes of output`,
    { job: job.id },
  );
}

async function quarantineJob(
  ctx: AttemptContext,
  job: Job,
  { why, path }: { why: string; path: string },
): Promise<JobFinding> {
  await setAside(ctx, { job, why, actor: 'recovery' });
  return quarantineFinding(job, why, path);
}

/** Returns the damage of a start with what the run directories of live attempts added to it. */
export function countDamage(
  before: RecoveryReport['corruption'],
  findings: readonly JobFinding[],
): RecoveryReport['corruption'] {
  const damaged = findings.filter((one) => one.outcome === 'quarantined');
  const checked = before.checked + findings.length;
  const corrupt = before.corrupt + damaged.length;
  const files = [...before.files, ...damaged.map((one) => `job ${one.id}: ${one.blocker ?? 'quarantined'}`)];
  return { ...before, checked, corrupt, ok: checked - corrupt, rate: checked === 0 ? 0 : corrupt / checked, files };
}
