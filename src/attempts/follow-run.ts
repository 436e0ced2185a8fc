import { join } from 'node:path';
import type { KeeperConnection } from '../keeper/connect.ts';
import { isAlive } from '../keeper/host-identity.ts';
import { RUN_FILES } from '../keeper/protocol.ts';
import { failpoint } from '../kernel/failpoints.ts';
import { messageOf } from '../kernel/result.ts';
import type { Attempt } from '../lifecycle/attempt.ts';
import type { Job } from '../lifecycle/job.ts';
import type { AttemptPatch } from '../store/store.ts';
import { exists } from '../workspace/remove-tree.ts';
import type { AttemptContext } from './context.ts';
import { endAttempt } from './end-attempt.ts';
import { awaitKeeper } from './follow-attempt.ts';
import { awaitShortage } from './find-shortage.ts';
import type { Judgement } from './gather-facts.ts';
import { LiveTranscript } from './live-transcript.ts';
import { killOrphan, resolveAttempt, type Resolution } from './resolve-attempt.ts';
import { cancelRun, type Run } from './run.ts';
import { watchOrphan } from './watch-orphan.ts';

/** How long a keeper may take to answer a question, milliseconds; a stopped one never does. */
const STATUS_TIMEOUT_MS = 5000;
/** How often the size of the output is recorded while it grows, milliseconds: the interval of a checkpoint (01 · E2). */
const PROGRESS_MS = 30_000;

export interface FollowInput {
  job: Job;
  attempt: Attempt;
  run: Run;
  /** Aborted when the server stops. */
  signal: AbortSignal;
  /** What was found a moment ago, so that a start with many attempts does not look at each twice. */
  known?: Resolution;
}

/** Follows whatever lives of an attempt until it is over, then records its end. */
export async function followRun(ctx: AttemptContext, input: FollowInput): Promise<void> {
  const { job, run, signal } = input;
  let attempt = input.attempt;
  let known = input.known;
  for (;;) {
    const resolution = known ?? (await resolveAttempt(ctx, { attempt, job, signal }));
    known = undefined;
    if (resolution.kind === 'over') {
      const { passedLimit } = run;
      const trouble = run.trouble ?? (await awaitShortage(ctx, { attempt, resolution, signal }));
      await endAttempt(ctx, { attempt, job, ...resolution, passedLimit, trouble }, signal);
      return;
    }
    attempt = await attachAttempt(ctx, attempt, resolution.judgement);
    run.attempt = attempt;
    failpoint('attempt.after-attach');
    const following = { attempt, run, signal, judgement: resolution.judgement };
    const live = new LiveTranscript(ctx, job, attempt);
    try {
      if (resolution.by === 'keeper') await followKeeper(ctx, following);
      else await followOrphan(ctx, following);
    } finally {
      await live.close();
    }
  }
}

/** Records what was seen alive, unless it is recorded already. */
export async function attachAttempt(ctx: AttemptContext, attempt: Attempt, { evidence }: Judgement): Promise<Attempt> {
  const known = attempt.keeper !== null && (attempt.agent !== null || evidence.agent === null);
  if (attempt.state === 'running' && known) return attempt;
  return recordAttach(ctx, attempt, {
    agent: evidence.agent,
    keeper: evidence.keeper,
    startedAt: attempt.startedAt ?? ctx.clock.now(),
  });
}

function recordAttach(ctx: AttemptContext, attempt: Attempt, set: AttemptPatch): Promise<Attempt> {
  return ctx.store.moveAttempt({ id: attempt.id, transition: 'attach', fence: attempt.fence, set, actor: 'attempts' });
}

interface Following {
  attempt: Attempt;
  run: Run;
  signal: AbortSignal;
  judgement: Judgement;
}

/**
 * Stays connected to the keeper until it ends or dies: the end of the connection is the event. One that has recorded the end
 * and hangs makes none: the look at its progress finds that.
 */
async function followKeeper(ctx: AttemptContext, following: Following): Promise<void> {
  const { attempt, run, signal } = following;
  const { keeper } = following.judgement.evidence;
  const runDir = ctx.home.runDirectory(attempt.jobId, attempt.number);
  const connection = await awaitKeeper({
    runDir,
    isKeeperAlive: () => keeper !== null && isAlive(keeper),
    signal,
  });
  if (connection === null) return;
  run.connection = connection;
  const close = (): void => connection.close();
  let progress: NodeJS.Timeout | undefined;
  signal.addEventListener('abort', close, { once: true });
  try {
    if (run.cancelled) await cancelRun(run);
    await recordAgent(ctx, attempt, connection);
    progress = setInterval(() => void recordProgress(ctx, { attempt, connection, runDir }), PROGRESS_MS);
    await connection.ended;
  } finally {
    clearInterval(progress);
    signal.removeEventListener('abort', close);
    run.connection = null;
    connection.close();
  }
  signal.throwIfAborted();
}

/** Keeps the size of the output as last seen, so that a report can say what grew while no server was there. */
async function recordProgress(
  ctx: AttemptContext,
  { attempt, connection, runDir }: { attempt: Attempt; connection: KeeperConnection; runDir: string },
): Promise<void> {
  try {
    const status = await connection.status(STATUS_TIMEOUT_MS);
    if (status === null && (await exists(join(runDir, RUN_FILES.exit)))) return connection.close();
    const job = await ctx.store.getJob(attempt.jobId);
    if (status === null || job === null || status.bytesOut === job.outputBytes) return;
    await ctx.store.noteJob({ id: job.id, fence: job.fence, set: { outputBytes: status.bytesOut }, actor: 'attempts' });
  } catch (error) {
    // Only a figure for people: the next look comes soon, and the end is recorded from the exit record.
    ctx.log.debug(`progress of job ${attempt.jobId}: ${messageOf(error)}`);
  }
}

/** The first look may come before the agent has a process; its keeper tells once it has. */
async function recordAgent(ctx: AttemptContext, attempt: Attempt, connection: KeeperConnection): Promise<void> {
  if (attempt.agent !== null) return;
  const status = await connection.status(STATUS_TIMEOUT_MS);
  if (status === null || status.agent === null) return;
  await recordAttach(ctx, attempt, { agent: status.agent, keeper: status.keeper });
}

/** Its keeper is dead, the agent lives: no second one is started; this server watches it and keeps its limits. */
async function followOrphan(ctx: AttemptContext, following: Following): Promise<void> {
  const { attempt, run, signal, judgement } = following;
  const { agent } = judgement.evidence;
  if (agent === null) return;
  ctx.log.warn(`the keeper of job ${attempt.jobId} is dead, its agent ${agent.pid} lives: adopted`, {
    job: attempt.jobId,
  });
  run.orphan = judgement;
  try {
    if (run.cancelled) await cancelRun(run);
    const runDir = ctx.home.runDirectory(attempt.jobId, attempt.number);
    run.passedLimit = await watchOrphan({ agent, runDir, limits: attempt.limits, clock: ctx.clock, signal });
    if (run.passedLimit !== null) await killOrphan(attempt, judgement);
  } finally {
    run.orphan = null;
  }
}
