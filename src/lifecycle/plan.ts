/** What a job must pass, and where it begins: pure functions of what the operator registered. */
import type { Job, JobCore } from './job.ts';
import type { Repository } from './repository.ts';
import { DEFAULT_BUDGETS, NOTHING_SPENT, type GateCommand, type Plan, type Stage, type StageTask } from './stage.ts';
import type { AttemptLimits } from './job.ts';
import type { JobState } from './transitions.ts';

/** Limits of one run of a gate command, where the repository names no others: a test suite, not hours of an agent. */
export const DEFAULT_GATE_LIMITS: AttemptLimits = { wallMs: 30 * 60_000, idleMs: 10 * 60_000, outputBytes: 2 ** 28 };

/** Longest name of a gate, characters. */
const MAX_GATE_NAME_CHARS = 60;

/** Returns what a job of this repository must pass now. */
export function planOf(repository: Pick<Repository, 'verify' | 'merge' | 'pipeline' | 'push'>): Plan {
  const { reviewers = [], budgets, gateLimits, reports = [] } = repository.pipeline ?? {};
  return {
    verify: nameGates(repository.verify),
    reviewers,
    merge: repository.merge,
    ...(repository.push === null ? {} : { push: repository.push }),
    budgets: {
      fixRounds: budgets?.fixRounds ?? DEFAULT_BUDGETS.fixRounds,
      merges: budgets?.merges ?? DEFAULT_BUDGETS.merges,
      commits: budgets?.commits ?? DEFAULT_BUDGETS.commits,
      sameDiffs: budgets?.sameDiffs ?? DEFAULT_BUDGETS.sameDiffs,
    },
    gateLimits: {
      wallMs: gateLimits?.wallMs ?? DEFAULT_GATE_LIMITS.wallMs,
      idleMs: gateLimits?.idleMs ?? DEFAULT_GATE_LIMITS.idleMs,
      outputBytes: gateLimits?.outputBytes ?? DEFAULT_GATE_LIMITS.outputBytes,
    },
    ...(reports.length === 0 ? {} : { reports }),
  };
}

/** Names each command by itself; two that would have the same name are told apart by their place. */
function nameGates(commands: readonly (readonly string[])[]): GateCommand[] {
  const names = new Set<string>();
  return commands.map((argv, index) => {
    const words = argv.join(' ').slice(0, MAX_GATE_NAME_CHARS).toWellFormed();
    const name = names.has(words) ? `${words} (${index + 1})` : words;
    names.add(name);
    return { name, argv };
  });
}

/** A place in the pipeline. */
export interface Place {
  stage: Stage;
  gate: string | null;
  task: StageTask | null;
}

/** Returns the first gate that is not passed yet; past all of them, the end: merge where the plan wants it, else hand-off. */
export function nextGate(plan: Plan, passed: ReadonlySet<string>): Place {
  const verify = plan.verify.find(({ name }) => !passed.has(name));
  if (verify !== undefined) return { stage: 'verify', gate: verify.name, task: null };
  const review = plan.reviewers.find(({ name }) => !passed.has(name));
  if (review !== undefined) return { stage: 'review', gate: review.name, task: 'review' };
  // Nothing is merged on words alone.
  const isVouchedFor = plan.verify.length + plan.reviewers.length > 0;
  return { stage: plan.merge && isVouchedFor ? 'merge' : 'handoff', gate: null, task: null };
}

/**
 * Returns where a job goes on that an operator reopens, in a new epoch and with nothing spent; null for one without a
 * pipeline. `retry` repeats its stage, and every gate before it: they were passed in another epoch. `fixup` goes back to
 * the implementation, whose agent is told why.
 */
export function reopen(
  job: Pick<JobCore, 'plan' | 'step' | 'stage' | 'blocker'> & { state: JobState },
  how: 'retry' | 'release' | 'fixup',
): Pick<Job, 'stage' | 'step'> | null {
  const { plan, step, stage, blocker } = job;
  if (plan === null || step === null) return null;
  const { push: _push, ...rest } = step;
  const fresh = { ...rest, merge: null, spent: NOTHING_SPENT };
  if (how === 'fixup') {
    // Why it is handed off all the same, or was held, is nothing its agent could mend.
    const told = job.state === 'blocked' && blocker !== null ? { stopped: blocker } : {};
    return { stage: 'implement', step: { ...fresh, gate: null, task: 'fix', candidate: null, ...told } };
  }
  if (stage === 'implement' || stage === 'fix' || step.candidate === null) return { stage, step: fresh };
  const { gate, task, stage: first } = nextGate(plan, new Set());
  return { stage: first, step: { ...fresh, gate, task } };
}

/** Lines a queued job may have to wait in beside the queue: one at a time of each repository passes its stage. */
export const SLOT_STAGES = ['verify', 'merge'] as const satisfies readonly Stage[];
