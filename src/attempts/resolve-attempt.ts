import { isAlive } from '../keeper/host-identity.ts';
import { endStrays, signalProcess, type ProcessScan } from '../keeper/processes.ts';
import { STRAYS_DEADLINE_MS } from '../keeper/protocol.ts';
import { sealAttempt } from '../keeper/run-directory.ts';
import { delay } from '../kernel/backoff.ts';
import { fail } from '../kernel/errors.ts';
import { failpoint } from '../kernel/failpoints.ts';
import { agentOf } from '../lifecycle/agent-of.ts';
import type { Attempt, ProcessIdentity } from '../lifecycle/attempt.ts';
import type { Job } from '../lifecycle/job.ts';
import type { AttemptContext } from './context.ts';
import type { FinalVerdict } from './decide.ts';
import { findAdapter } from './find-adapter.ts';
import { awaitDeath } from './follow-attempt.ts';
import { judgeAttempt, type Judgement } from './gather-facts.ts';

/** How long strays may take to die before the attempt is looked at again, milliseconds. */
const STRAY_DEADLINE_MS = 10_000;
/**
 * How long a keeper may live on after its exit record, milliseconds: what it may take to end strays, and as much as a busy
 * machine adds. A process of Node can hang while it exits (nodejs/node issue 54918), and anybody can stop one.
 */
const KEEPER_ENDING_MS = STRAYS_DEADLINE_MS + 15_000;
/** Pause before looking again at something that will change by itself, milliseconds. */
const ENDING_POLL_MS = 20;

/** Either something of the attempt is alive and is to be followed, or it is over. */
export type Resolution =
  | { kind: 'alive'; by: 'keeper' | 'orphan'; judgement: Judgement }
  | { kind: 'over'; verdict: FinalVerdict; judgement: Judgement };

/**
 * Judges an attempt until the verdict is final or something of it lives: waits for a keeper that is ending, for a while, ends
 * strays, seals what never started. The same loop serves a live server and recovery; it can be killed anywhere and run again.
 * With `wait` false what cannot be over yet counts as alive: one keeper that hangs must not hold up a whole start.
 */
export async function resolveAttempt(
  ctx: AttemptContext,
  input: { attempt: Attempt; job: Job; signal: AbortSignal; scan?: ProcessScan; wait?: boolean },
): Promise<Resolution> {
  const { attempt, signal } = input;
  const adapter = findAdapter(ctx, agentOf(input.job, attempt));
  const runDir = ctx.home.runDirectory(attempt.jobId, attempt.number);
  let scan = input.scan;
  for (;;) {
    signal.throwIfAborted();
    const judgement = await judgeAttempt(ctx, { attempt, adapter, scan });
    scan = undefined;
    const { verdict, evidence } = judgement;
    switch (verdict.kind) {
      case 'RUNNING':
        return { kind: 'alive', by: 'keeper', judgement };
      case 'ORPHAN_RUNNING':
        return { kind: 'alive', by: 'orphan', judgement };
      case 'ENDING':
        if (input.wait === false) return { kind: 'alive', by: 'keeper', judgement };
        if (evidence.keeper === null) await delay(ENDING_POLL_MS, signal);
        else await endKeeper(ctx, { job: input.job, keeper: evidence.keeper, agent: evidence.agent, signal });
        continue;
      case 'STRAYS': {
        const { ended, left } = await endStrays({ attempt: attempt.id, deadlineMs: STRAY_DEADLINE_MS });
        ctx.log.warn(`ended ${ended} strays of job ${input.job.number}, ${left.length} still alive`, {
          job: attempt.jobId,
        });
        if (left.length > 0 && input.wait === false) return { kind: 'alive', by: 'orphan', judgement };
        continue;
      }
      case 'NOT_STARTED': {
        failpoint('attempt.before-seal');
        const won = await sealAttempt({ runDir, attemptId: attempt.id, host: ctx.host });
        failpoint('attempt.after-seal');
        ctx.log.info(`seal job=${attempt.jobId} attempt=${attempt.number}: ${won}`);
        continue;
      }
      case 'LOOK_AGAIN':
        // Only a first look gives it, and judgeAttempt has looked twice.
        throw fail('internal', 'a second look asked for a third');
      default:
        return { kind: 'over', verdict, judgement };
    }
  }
}

/**
 * Waits for a keeper that has recorded the end, and kills one that does not go: what is left to do, anybody can do. Beside an
 * agent that lives the record is not the keeper's but forged: that keeper is left to write the true one.
 */
async function endKeeper(
  ctx: AttemptContext,
  what: { job: Job; keeper: ProcessIdentity; agent: ProcessIdentity | null; signal: AbortSignal },
): Promise<void> {
  const { job, keeper, agent, signal } = what;
  if (await awaitDeath(keeper, KEEPER_ENDING_MS, signal)) return;
  if (agent !== null && isAlive(agent)) return;
  const text = `the keeper of job ${job.number} has recorded the end and does not go: process ${keeper.pid} is killed`;
  ctx.log.warn(text, { job: job.id });
  signalProcess(keeper, 'SIGKILL');
  await awaitDeath(keeper, KEEPER_ENDING_MS, signal);
}

/** Ends everything of an attempt whose keeper is gone: the agent with its session, and all that carries its token. */
export async function killOrphan(attempt: Attempt, judgement: Judgement): Promise<void> {
  const { agent } = judgement.evidence;
  await endStrays({ attempt: attempt.id, deadlineMs: STRAY_DEADLINE_MS, ...(agent === null ? {} : { agent }) });
}
