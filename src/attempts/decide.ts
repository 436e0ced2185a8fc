/**
 * What follows from a verdict: a pure function of the verdict, the adapter's reading of the output, and the budgets.
 * Every ending of an attempt passes here, live or after a crash, so that both come to the same answer.
 */
import type { AgentOutcome } from '../agents/adapter.ts';
import type { Reason } from '../lifecycle/job.ts';
import type { AttemptTransition, JobTransition } from '../lifecycle/transitions.ts';
import type { Verdict } from '../lifecycle/verdict.ts';

/**
 * How many interrupted attempts within which time (milliseconds) block a job. What dies at once is in a loop after minutes; what
 * works for an hour before it runs out of memory would go on being paid for, day and night, without the second one.
 */
export const CRASH_LOOPS = [
  { limit: 5, windowMs: 10 * 60_000, words: '10 minutes' },
  { limit: 20, windowMs: 24 * 3_600_000, words: '24 hours' },
] as const;
/** Attempts in a row that never ran, under one server, before a person must look. */
export const NEVER_RAN_LIMIT = 3;

/** Verdicts after which an attempt is over. */
export type FinalVerdict = Extract<
  Verdict,
  { kind: 'QUARANTINE' | 'NEVER_RAN' | 'FINISHED' | 'SEALED' | 'FOREIGN' | 'FINISHED_BY_OUTPUT' | 'INTERRUPTED' }
>;

/** What went wrong, in words, and whether it passes by itself once there is room again. */
export interface Trouble {
  message: string;
  passes: boolean;
  /** The disk is full: said of the job while it waits. */
  diskFull?: boolean;
}

export interface EndFacts {
  verdict: FinalVerdict;
  /** The adapter's reading, when the agent ran. */
  outcome: AgentOutcome | null;
  /** Whether it was to go on in a session. */
  warm: boolean;
  /** Why its output cannot be read, when the agent ran. */
  unreadable: string | null;
  /** Last error the agent reported, for people. */
  agentMessage: string | null;
  /** Who ended it, as the exit record says, or the limit for which the server did. */
  stoppedBy: string | null;
  exitCode: number | null;
  cancelRequested: boolean;
  /** What went wrong while it was being started, when this server knows. */
  trouble: Trouble | null;
  /** Why the keeper did not start it, as its exit record says: names the program. */
  notStarted: string | null;
  onInterrupt: 'continue' | 'ask';
  /** Earlier attempts of the lineage that were interrupted, within the window of each of CRASH_LOOPS. */
  interrupts: readonly number[];
  /** Attempts just before this one that never ran, under this same server. */
  recentNeverRan: number;
}

export interface Ending {
  attempt: AttemptTransition;
  job: JobTransition;
  reason: Reason | null;
  blocker: string | null;
  /** The session cannot be resumed any more. */
  dropSession: boolean;
}

interface Why {
  reason: Reason;
  /** The sentence for people; null where the reason says it all. */
  blocker: string | null;
}

const CANCELLED: Why = { reason: 'cancelled_by_client', blocker: null };

/** Returns how the attempt and its job go on. */
export function decideEnding(facts: EndFacts): Ending {
  const { verdict } = facts;
  switch (verdict.kind) {
    case 'QUARANTINE':
      return quarantine(verdict.why);
    case 'FOREIGN':
      return quarantine('its claim was made on another host; this home was copied or shared');
    case 'NEVER_RAN':
    case 'SEALED':
      return decideNeverRan(facts, verdict.kind === 'NEVER_RAN' ? verdict.execErrno : null);
    case 'INTERRUPTED':
      return facts.cancelRequested ? decideInterrupted(facts) : (decideLimit(facts) ?? decideInterrupted(facts));
    case 'FINISHED':
    case 'FINISHED_BY_OUTPUT':
      if (facts.cancelRequested) return ending('finish', 'cancel', CANCELLED);
      return decideLimit(facts) ?? decideOutcome(facts);
  }
}

/** A limit that was passed ends the job, whatever the agent made of being stopped. */
function decideLimit(facts: EndFacts): Ending | null {
  switch (facts.stoppedBy) {
    case 'wall':
      return ending('finish', 'time_out', { reason: 'wall_limit', blocker: 'it ran longer than its wall-clock limit' });
    case 'idle':
      return ending('finish', 'time_out', {
        reason: 'idle_limit',
        blocker: 'it printed nothing and used no CPU for its whole idle limit',
      });
    case 'output':
      return ending('finish', 'fail', { reason: 'output_limit', blocker: 'it printed more than its output limit' });
    default:
      return null;
  }
}

function decideOutcome(facts: EndFacts): Ending {
  if (facts.unreadable !== null) {
    return ending('finish', 'block', { reason: 'fix_config', blocker: facts.unreadable });
  }
  switch (facts.outcome) {
    case 'success':
      return ending('finish', 'complete');
    case 'agent-error': {
      const reason = facts.agentMessage === null ? 'exit_code' : 'agent_error';
      const blocker = facts.agentMessage ?? `the command ended with exit code ${facts.exitCode ?? 'unknown'}`;
      return ending('finish', 'fail', { reason, blocker });
    }
    case 'api-error':
      return ending('finish', 'fail', {
        reason: 'api_error',
        blocker: facts.agentMessage ?? 'the model service refused the request',
      });
    case 'unresumable':
      // Nothing was done: one cold start is free, whatever the job says of interruptions.
      return { ...(facts.warm ? ending('interrupt', 'interrupt') : decideInterrupted(facts)), dropSession: true };
    case 'interrupted':
    case null:
      return decideInterrupted(facts);
  }
}

function decideInterrupted(facts: EndFacts): Ending {
  if (facts.cancelRequested) return ending('interrupt', 'cancel', CANCELLED);
  // What we stopped ourselves, and not for a limit or a cancel, was stopped to go on later: no strike.
  const loop = CRASH_LOOPS.find(({ limit }, at) => (facts.interrupts[at] ?? 0) + 1 >= limit);
  if (facts.stoppedBy !== 'stop' && loop !== undefined) {
    const blocker = `${loop.limit} attempts were interrupted within ${loop.words}`;
    return ending('interrupt', 'block', { reason: 'crash_loop', blocker });
  }
  if (facts.onInterrupt === 'ask') {
    return ending('interrupt', 'block', {
      reason: 'needs_human',
      blocker: 'its attempt was interrupted and the job asks before going on',
    });
  }
  return ending('interrupt', 'interrupt');
}

function decideNeverRan(facts: EndFacts, execErrno: string | null): Ending {
  if (facts.cancelRequested) return ending('seal', 'cancel', CANCELLED);
  if (facts.trouble?.diskFull === true) {
    // Nobody's failure, so no strike: it goes back to its place, and says what it waits for.
    return ending('seal', 'requeue', { reason: 'free_disk', blocker: facts.trouble.message });
  }
  if (execErrno !== null) {
    const why = facts.notStarted ?? 'see keeper.log';
    const blocker = `the agent's command cannot be executed (${execErrno}): ${why}`;
    return ending('seal', 'block', { reason: 'fix_config', blocker });
  }
  // What is short now will be there again: that is nobody's to correct.
  if (facts.trouble?.passes !== true && facts.recentNeverRan + 1 >= NEVER_RAN_LIMIT) {
    const blocker = `${NEVER_RAN_LIMIT} attempts in a row did not start: ${facts.trouble?.message ?? 'see keeper.log'}`;
    return ending('seal', 'block', { reason: 'fix_config', blocker });
  }
  return ending('seal', 'requeue');
}

function quarantine(why: string): Ending {
  return ending('quarantine', 'quarantine', { reason: 'record_corrupt', blocker: why });
}

function ending(attempt: AttemptTransition, job: JobTransition, why: Why | null = null): Ending {
  return { attempt, job, reason: why?.reason ?? null, blocker: why?.blocker ?? null, dropSession: false };
}
