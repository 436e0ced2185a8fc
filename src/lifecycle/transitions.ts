/**
 * The transition tables: the only ways a job or an attempt changes state. The types, the guards in SQL, the property
 * tests and the diagrams of ARCHITECTURE.md all come from these two constants.
 */

export const JOB_STATES = [
  'created',
  'waiting',
  'queued',
  'preparing',
  'running',
  'blocked',
  'quarantined',
  'ready',
  'completed',
  'failed',
  'cancelled',
  'timed_out',
] as const;
export type JobState = (typeof JOB_STATES)[number];

interface Transition<S extends string> {
  readonly from: readonly S[];
  readonly to: S;
  /** What makes it happen, in one line; shown in the diagram's table. */
  readonly cause: string;
}

export const JOB_TRANSITIONS = {
  start: {
    from: ['created', 'waiting'],
    to: 'queued',
    cause: 'a client starts a held job, or lets one go without waiting; it gets its place in the queue',
  },
  wait: {
    from: ['created', 'blocked', 'quarantined', 'cancelled'],
    to: 'waiting',
    cause: 'it is started or reopened while jobs it comes after have not ended; no place in the queue yet',
  },
  enqueue: {
    from: ['waiting'],
    to: 'queued',
    cause: 'the last of the jobs it comes after ended well; it gets its place at the end of the queue',
  },
  claim: { from: ['queued'], to: 'preparing', cause: 'the dispatcher claims it under a new fence' },
  requeue: {
    from: ['preparing', 'running'],
    to: 'queued',
    cause: 'its attempt provably never ran; back to the old position, no strike',
  },
  launch: { from: ['preparing'], to: 'running', cause: 'its attempt is intended and the keeper is about to start' },
  interrupt: {
    from: ['running'],
    to: 'queued',
    cause: "its attempt ended without a result (crash, reboot, a stranger's signal); continued by a new attempt",
  },
  advance: {
    from: ['preparing', 'running'],
    to: 'queued',
    cause: 'a stage of its pipeline ended; the next one begins from the old position',
  },
  hand_off: {
    from: ['preparing', 'running'],
    to: 'ready',
    cause: 'its branch, patch and report are there; a person takes them up',
  },
  complete: {
    from: ['preparing', 'running'],
    to: 'completed',
    cause: 'the attempt finished with success, or its work is merged',
  },
  fail: { from: ['preparing', 'running'], to: 'failed', cause: 'the work itself failed' },
  time_out: {
    from: ['queued', 'preparing', 'running'],
    to: 'timed_out',
    cause: 'a wall, idle or deadline limit ended it',
  },
  cancel: {
    from: ['created', 'waiting', 'queued', 'preparing', 'running', 'blocked', 'quarantined'],
    to: 'cancelled',
    cause: 'a client cancelled it and nothing of it lives any more',
  },
  block: {
    from: ['waiting', 'queued', 'preparing', 'running'],
    to: 'blocked',
    cause: 'a person must act first; the reason says why (crash_loop, fix_config, dependency_failed, …)',
  },
  quarantine: {
    from: ['created', 'waiting', 'queued', 'preparing', 'running'],
    to: 'quarantined',
    cause: 'the evidence is damaged or contradicts itself',
  },
  release: {
    from: ['quarantined'],
    to: 'queued',
    cause: 'an operator has looked at the damage; nothing of it lives, and a new attempt may start in a new epoch',
  },
  retry: {
    from: ['ready', 'failed', 'cancelled', 'timed_out', 'blocked'],
    to: 'queued',
    cause: 'an operator grants a new budget; opens a new epoch at the end of the queue',
  },
  fixup: {
    from: ['ready', 'failed', 'timed_out', 'blocked'],
    to: 'queued',
    cause: 'an operator reopens the work of a pipeline into its implementation, in a new epoch and with a new budget',
  },
} as const satisfies Record<string, Transition<JobState>>;
export type JobTransition = keyof typeof JOB_TRANSITIONS;

export const ATTEMPT_STATES = ['intended', 'running', 'finished', 'interrupted', 'never_ran', 'quarantined'] as const;
export type AttemptState = (typeof ATTEMPT_STATES)[number];

export const ATTEMPT_TRANSITIONS = {
  attach: { from: ['intended', 'running'], to: 'running', cause: 'its keeper or its agent was seen alive' },
  finish: {
    from: ['intended', 'running'],
    to: 'finished',
    cause: 'exit record or final result read, nothing of it alive',
  },
  interrupt: {
    from: ['intended', 'running'],
    to: 'interrupted',
    cause: 'it ran, nothing of it lives, and there is no result',
  },
  seal: { from: ['intended', 'running'], to: 'never_ran', cause: 'proved that its agent never ran' },
  quarantine: { from: ['intended', 'running'], to: 'quarantined', cause: 'its evidence cannot be trusted' },
} as const satisfies Record<string, Transition<AttemptState>>;
export type AttemptTransition = keyof typeof ATTEMPT_TRANSITIONS;

/** States a job leaves only by an explicit operator action. */
export const TERMINAL_STATES: readonly JobState[] = ['ready', 'completed', 'failed', 'cancelled', 'timed_out'];

/** Whether a job in this state has ended. */
export function isTerminal(state: JobState): boolean {
  return TERMINAL_STATES.includes(state);
}

/** Whether a job in this state holds a place among the working ones (it may have a process). */
export function isActive(state: JobState): boolean {
  return state === 'preparing' || state === 'running';
}

/** Whether the table allows `transition` from `state`. */
export function canMoveJob(state: JobState, transition: JobTransition): boolean {
  return (JOB_TRANSITIONS[transition].from as readonly JobState[]).includes(state);
}

/** Whether the table allows `transition` from `state`. */
export function canMoveAttempt(state: AttemptState, transition: AttemptTransition): boolean {
  return (ATTEMPT_TRANSITIONS[transition].from as readonly AttemptState[]).includes(state);
}
