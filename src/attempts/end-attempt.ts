import { hashRecordedOutput } from '../keeper/verify-run.ts';
import { failpoint } from '../kernel/failpoints.ts';
import { SESSION_REJECTED, type Attempt } from '../lifecycle/attempt.ts';
import { agentOf } from '../lifecycle/agent-of.ts';
import type { Job } from '../lifecycle/job.ts';
import { isWork } from '../lifecycle/stage.ts';
import { ATTEMPT_TRANSITIONS } from '../lifecycle/transitions.ts';
import type { ExitFacts } from '../lifecycle/verdict.ts';
import type { AttemptPatch, JobPatch } from '../store/store.ts';
import type { AttemptContext } from './context.ts';
import { CRASH_LOOPS, decideEnding, type Ending, type FinalVerdict, type Trouble } from './decide.ts';
import { keepTranscript } from './keep-transcript.ts';
import { findAdapter } from './find-adapter.ts';
import { clearStages } from './stages/clear-stages.ts';
import { concludeStage } from './stages/conclude-stage.ts';
import type { Judgement } from './gather-facts.ts';
import { recordPatiently } from './record-patiently.ts';
import type { PassedLimit } from './watch-orphan.ts';

export interface EndInput {
  attempt: Attempt;
  job: Job;
  verdict: FinalVerdict;
  judgement: Judgement;
  /** Limit for which this server ended an agent that had no keeper. */
  passedLimit: PassedLimit | null;
  /** What went wrong while it was being started, when this server knows. */
  trouble: Trouble | null;
}

/** Records the end of an attempt and what it means for its job, in one transaction; returns both and the decision. */
export async function endAttempt(
  ctx: AttemptContext,
  input: EndInput,
  signal: AbortSignal,
): Promise<{ job: Job; attempt: Attempt; ending: Ending }> {
  // The job is read again: a cancel may have been recorded while its attempt ran.
  const job = (await ctx.store.getJob(input.job.id)) ?? input.job;
  const ending = await decide(ctx, { ...input, job });
  const rejected = ending.dropSession && input.attempt.mode === 'warm' ? { note: SESSION_REJECTED } : {};
  const patch = { ...attemptPatch(input), ...rejected, ...(await hashOutput(ctx, input)) };
  const { to: state } = ATTEMPT_TRANSITIONS[ending.attempt];
  const transcriptSha256 = await keepTranscript(ctx, job, { ...input.attempt, ...patch, state });
  const outputBytes = patch.outputBytes ?? 0;
  const stage = await concludeStage(ctx, { job, attempt: input.attempt, ending, outputBytes, signal });
  failpoint('attempt.before-settle');
  const settled = await recordPatiently(ctx, signal, () =>
    ctx.store.settleAttempt(
      {
        id: input.attempt.id,
        transition: ending.attempt,
        fence: input.attempt.fence,
        set: patch,
        actor: 'attempts',
      },
      {
        id: job.id,
        transition: stage?.transition ?? ending.job,
        fence: job.fence,
        set: { ...jobPatch(input, ending), transcriptSha256, ...stage?.set },
        ...(stage === null ? {} : { newEpoch: stage.newEpoch, results: stage.results }),
        actor: 'attempts',
      },
    ),
  );
  failpoint('attempt.after-settle');
  if (ending.dropSession) ctx.log.info(`session prune job=${job.id} session=${job.sessionId ?? 'none'}`);
  ctx.log.info(
    `Job ${job.number} ${stage?.transition ?? ending.job}: attempt ${input.attempt.number} ${input.verdict.kind}`,
    {
      job: job.id,
      reason: settled.job.reason,
    },
  );
  await clearStages(ctx, settled.job);
  return { ...settled, ending };
}

async function decide(ctx: AttemptContext, input: EndInput): Promise<Ending> {
  const { job, attempt, verdict } = input;
  const { summary } = input.judgement;
  const adapter = findAdapter(ctx, agentOf(job, attempt));
  const now = ctx.clock.now();
  const interrupts = CRASH_LOOPS.map(({ windowMs }) =>
    ctx.store.countInterrupted(job.lineage, job.epoch, now - windowMs),
  );
  const attempts = await ctx.store.listAttempts(job.id);
  const before = attempts.filter((other) => other.number < attempt.number && other.boot === ctx.boot);
  const lastRan = before.findLastIndex((other) => other.state !== 'never_ran');
  const exit =
    verdict.kind === 'FINISHED' ? { ...verdict.exit, stderr: input.judgement.stderrTail } : ('unknown' as const);
  const ran = summary !== null && (verdict.kind === 'FINISHED' || verdict.kind === 'FINISHED_BY_OUTPUT');
  return decideEnding({
    verdict,
    warm: attempt.mode === 'warm',
    outcome: ran && adapter !== null ? adapter.outcome(summary, exit) : null,
    unreadable: ran && adapter === null ? `agent ${agentOf(job, attempt)} is not configured any more` : null,
    agentMessage: summary?.final?.reason ?? summary?.lastError?.message ?? null,
    stoppedBy: verdict.kind === 'FINISHED' ? verdict.exit.stoppedBy : input.passedLimit,
    exitCode: verdict.kind === 'FINISHED' ? verdict.exit.code : null,
    trouble: input.trouble,
    notStarted: verdict.kind === 'NEVER_RAN' ? (input.judgement.evidence.exit?.reason ?? null) : null,
    cancelRequested: job.cancelRequestedAt !== null,
    onInterrupt: job.onInterrupt,
    interrupts: await Promise.all(interrupts),
    recentNeverRan: before.length - 1 - lastRan,
  });
}

/** What it printed is vouched for by its hash from here on: later damage is noticed by the check of history. */
async function hashOutput(
  ctx: AttemptContext,
  { attempt, verdict, judgement }: EndInput,
): Promise<Pick<AttemptPatch, 'outputSha256' | 'stderrSha256'>> {
  if (verdict.kind === 'QUARANTINE') return {};
  const exit = verdict.kind === 'FINISHED' ? verdict.exit : null;
  const { evidence } = judgement;
  return hashRecordedOutput(ctx.home.runDirectory(attempt.jobId, attempt.number), {
    output: exit?.bytesOut ?? evidence.outputBytes,
    stderr: exit?.bytesErr ?? evidence.stderrBytes,
  });
}

function attemptPatch(input: EndInput): AttemptPatch {
  const { verdict } = input;
  const { evidence } = input.judgement;
  const exit = verdict.kind === 'FINISHED' ? verdict.exit : null;
  return {
    // An attempt that was over before it was ever seen alive has its identities from its records.
    agent: evidence.agent ?? input.attempt.agent,
    keeper: evidence.keeper ?? input.attempt.keeper,
    startedAt: input.attempt.startedAt ?? (evidence.agentRecorded ? input.attempt.intendedAt : null),
    verdict: verdict.kind,
    exitCode: exit?.code ?? null,
    exitSignal: exit?.signal ?? null,
    stoppedBy: exit === null ? input.passedLimit : exit.stoppedBy,
    outputBytes: exit?.bytesOut ?? evidence.outputBytes,
    evidenceLevel: evidence.level,
    note: verdict.kind === 'QUARANTINE' ? verdict.why : pauseReason(exit),
  };
}

/** Why we stopped it to be continued later; a cancel says so in its job. */
function pauseReason(exit: ExitFacts | null): string | null {
  return exit?.stoppedBy === 'stop' && exit.reason !== 'cancel' ? exit.reason : null;
}

function jobPatch(input: EndInput, ending: Ending): JobPatch {
  const { verdict } = input;
  const { evidence, summary } = input.judgement;
  const exit = verdict.kind === 'FINISHED' ? verdict.exit : null;
  // The session of a reviewer is none of the job's.
  const own = isWork(input.attempt.stage) ? (input.attempt.sessionId ?? summary?.sessionId ?? null) : null;
  const sessionId = ending.dropSession ? null : (own ?? input.job.sessionId);
  return {
    sessionId,
    outputBytes: exit?.bytesOut ?? evidence.outputBytes,
    exitCode: exit?.code ?? null,
    exitSignal: exit?.signal ?? null,
    reason: ending.reason,
    blocker: ending.blocker,
  };
}
