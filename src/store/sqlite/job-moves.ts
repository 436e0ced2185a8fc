/** The one door for the state of a job: guarded by the transition table and the fence, journalled in the same breath. */
import { fail, type HoldfastError } from '../../kernel/errors.ts';
import type { Job, Outcome } from '../../lifecycle/job.ts';
import { reopen } from '../../lifecycle/plan.ts';
import {
  JOB_TRANSITIONS,
  isActive,
  isTerminal,
  type JobState,
  type JobTransition,
} from '../../lifecycle/transitions.ts';
import type { JobMove, JobPatch } from '../store.ts';
import { tellOfJob } from './deliveries.ts';
import { JOBS, type Chained, type JobRecord } from './entities.ts';
import { checkPatch, pickChanges, updateRecord } from './records.ts';
import { readJob, toJob } from './jobs.ts';
import { appendEvent } from './journal.ts';
import { recordResults } from './ledger.ts';
import { readPlan } from './read-plan.ts';
import type { Session } from './session.ts';
import { listLiterals } from './sql.ts';

const OUTCOMES: Partial<Record<JobState, Outcome>> = {
  ready: 'success',
  completed: 'success',
  failed: 'failure',
  cancelled: 'cancelled',
  timed_out: 'timed_out',
};

/** Fields a caller may set; the rest is the store's own. */
const PATCHABLE = new Set<string>([
  'sessionId',
  'workspaceState',
  'workspaceRemovedAt',
  'baseCommit',
  'otherBases',
  'outputBytes',
  'transcriptSha256',
  'reason',
  'blocker',
  'exitCode',
  'exitSignal',
  'startedAt',
  'cancelRequestedAt',
  'outcome',
  'stage',
  'step',
] satisfies (keyof JobPatch)[]);

/** Fields that say how a job ended: they stay as they are once it has. */
const FINAL_FIELDS: (keyof JobPatch)[] = [
  'outcome',
  'reason',
  'blocker',
  'exitCode',
  'exitSignal',
  'startedAt',
  'cancelRequestedAt',
];

/** A job goes back to its place. */
const PUTS_BACK = new Set<JobTransition>(['requeue', 'interrupt', 'advance']);

/** SQL that holds only for a job whose state is among `from`; without a fence no owner may be robbed. */
function guardOf(from: readonly JobState[], fence: number | null): string {
  const states = fence === null ? from.filter((state) => !isActive(state)) : from;
  return ` AND state IN (${states.length === 0 ? "''" : listLiterals(states)})`;
}

const guards = new Map<string, string>();
function guardOfTransition(transition: JobTransition, fence: number | null): string {
  const name = `${transition}${fence === null ? '' : ' fenced'}`;
  const guard = guards.get(name) ?? guardOf(JOB_TRANSITIONS[transition].from, fence);
  guards.set(name, guard);
  return guard;
}

/** Says why a guarded write of a job changed nothing. */
function refuse(
  job: JobRecord,
  { fence, wish, from = null }: { fence: number | null; wish: string; from?: readonly JobState[] | null },
): HoldfastError {
  if (fence !== null && fence !== job.fence) {
    return fail('fenced', `claim ${fence} of job ${job.number} is over; claim ${job.fence} is the newest`);
  }
  // Who robs an owner is told so only where the state itself would allow it.
  if (fence === null && isActive(job.state) && (from === null || from.includes(job.state))) {
    return fail(
      'state-conflict',
      `job ${job.number} is ${job.state} under claim ${job.fence}; only its owner may ${wish} it`,
    );
  }
  const needed = from === null ? '' : `; ${wish} is for jobs that are ${listStates(from)}`;
  return fail('state-conflict', `job ${job.number} is ${job.state}${needed}`);
}

/** In words: `failed, cancelled or blocked`. */
function listStates(states: readonly JobState[]): string {
  const words = states.map((state) => state.replaceAll('_', ' '));
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1) ?? ''}`;
}

export interface JobWrite {
  kind: string;
  actor: string;
  changes: Partial<JobRecord>;
  /** What the event tells beside the changed fields; no field of a job. */
  note?: Record<string, string>;
  guard: string;
  fence: number | null;
  refusal: () => HoldfastError;
}

/** Writes changes of a job with its event; returns the job after it. Throws `refusal()` when the guard does not hold. */
export function writeJob(session: Session, before: Chained<JobRecord>, write: JobWrite): Chained<JobRecord> {
  const { record } = before;
  const changes: Partial<JobRecord> = { ...write.changes, version: record.version + 1 };
  const event = { actor: write.actor, kind: write.kind, subject: record.id, jobId: record.id, attemptId: null };
  const moved = { ...record, ...changes };
  const own = appendEvent(session, { ...event, data: { ...write.note, ...changes } }, before.head);
  const head = tellOfJob(session, { job: moved, before: record.state, head: own });
  const { guard, fence } = write;
  if (!updateRecord(session.sql, JOBS, { key: record.id, changes, head, guard, fence })) throw write.refusal();
  const after = { record: moved, head };
  session.jobs.set(record.id, after);
  session.counters.moveJob(record, record.state, after.record.state);
  return after;
}

/** What a transition changes by itself, before what the caller sets beside it. */
function changesOf(session: Session, job: JobRecord, transition: JobTransition): Partial<JobRecord> {
  const state = JOB_TRANSITIONS[transition].to;
  const changes: Partial<JobRecord> = { state };
  if (isTerminal(state)) Object.assign(changes, { outcome: OUTCOMES[state] ?? null, finishedAt: session.at });
  if (transition === 'cancel') Object.assign(changes, { reason: 'cancelled_by_client', blocker: null });
  if (transition === 'start')
    Object.assign(changes, { queueSeq: session.counters.next('queueSeq'), queuedAt: session.at });
  if (transition === 'launch') Object.assign(changes, { startedAt: job.startedAt ?? session.at });
  if (transition !== 'retry' && transition !== 'release' && transition !== 'fixup') return changes;
  if (transition === 'retry' && job.state === 'ready' && job.reason === null) {
    throw fail('state-conflict', `job ${job.number} is handed off`, { hint: 'To have more done, use fixup.' });
  }
  if (transition === 'fixup' && job.plan === null) {
    throw fail('state-conflict', `job ${job.number} has no pipeline to be reopened`, { hint: 'Retry it instead.' });
  }
  return {
    state,
    ...reopenPlan(session, job, transition),
    epoch: job.epoch + 1,
    outcome: null,
    reason: null,
    blocker: null,
    exitCode: null,
    exitSignal: null,
    cancelRequestedAt: null,
    overtaken: null,
    startedAt: null,
    finishedAt: null,
    claimedBy: null,
    queueSeq: session.counters.next('queueSeq'),
    queuedAt: session.at,
  };
}

/** An operator may have corrected what its repository wants passed: that counts from here on. */
function reopenPlan(session: Session, job: JobRecord, how: 'retry' | 'release' | 'fixup'): Partial<JobRecord> {
  if (job.plan === null) return {};
  if (job.reason === 'weak_packet') {
    throw fail('state-conflict', `job ${job.number} can never begin: ${job.blocker ?? 'its packet is weak'}`, {
      hint: 'Submit a corrected packet, and remove this job.',
    });
  }
  const plan = readPlan(session, job.repository) ?? job.plan;
  return { plan, ...reopen({ ...job, plan }, how) };
}

/** Moves a job that was read in this transaction; `extra` are columns the store itself changes beside it. */
export function moveChainedJob(
  session: Session,
  job: Chained<JobRecord>,
  { move, extra = {} }: { move: JobMove; extra?: Partial<JobRecord> },
): Chained<JobRecord> {
  const set = checkPatch(move.set, PATCHABLE);
  // A wish to cancel that arrived while its owner was putting the job back must not be lost: nothing of it lives now.
  const isPutBack = PUTS_BACK.has(move.transition);
  const transition = isPutBack && job.record.cancelRequestedAt !== null ? 'cancel' : move.transition;
  const from = JOB_TRANSITIONS[move.transition].from;
  const before =
    move.results === undefined ? job : recordResults(session, job, { results: move.results, actor: move.actor });
  const changes = { ...changesOf(session, job.record, transition), ...extra };
  if (move.newEpoch === true && transition === 'advance') changes.epoch = job.record.epoch + 1;
  if (transition === move.transition) {
    const outcome = changes.outcome ?? null;
    if (set.outcome !== undefined && set.outcome !== outcome) {
      throw fail('bad-request', `${transition} gives the outcome ${String(outcome)}, not ${String(set.outcome)}`);
    }
    Object.assign(changes, set);
  }
  const after = { ...job.record, ...changes };
  if (
    (after.state === 'blocked' || after.state === 'quarantined') &&
    (after.reason === null || after.blocker === null)
  ) {
    throw fail('bad-request', `${transition} needs a reason and a blocker`);
  }
  const moved = writeJob(session, before, {
    kind: `job.${transition}`,
    actor: move.actor,
    changes: { ...pickChanges(JOBS, job.record, changes), state: after.state },
    guard: guardOfTransition(move.transition, move.fence),
    fence: move.fence,
    refusal: () => refuse(job.record, { fence: move.fence, wish: move.transition, from }),
  });
  // It may have been counted in a line that its damaged row does not name.
  if (transition === 'quarantine' && job.record.state === 'queued') session.counters.recountWaiting();
  return moved;
}

/** Carries out a transition of an owner or an operator. Claims and launches have their own doors. */
export function moveJob(session: Session, move: JobMove): Job {
  if (move.transition === 'claim' || move.transition === 'launch') {
    throw fail('bad-request', `${move.transition} is not a move by itself: claim a job, or intend an attempt`);
  }
  return toJob(moveChainedJob(session, readJob(session, move.id), { move }).record);
}

/** Changes fields of a job without a transition. */
export function noteJob(
  session: Session,
  note: { id: string; fence: number | null; set: JobPatch; actor: string },
): Job {
  const set = checkPatch(note.set, PATCHABLE);
  const job = readJob(session, note.id);
  const changes = pickChanges<JobRecord>(JOBS, job.record, set);
  const isFinal = isTerminal(job.record.state) && FINAL_FIELDS.some((field) => field in (changes ?? {}));
  if (isFinal || (changes !== null && 'outcome' in changes)) {
    throw fail('state-conflict', `how job ${job.record.number} ends is not changed by a note`);
  }
  if (note.fence !== null && note.fence !== job.record.fence)
    throw refuse(job.record, { fence: note.fence, wish: 'note' });
  if (changes === null) return toJob(job.record);
  const write = writeJob(session, job, {
    kind: 'job.note',
    actor: note.actor,
    changes,
    guard: '',
    fence: note.fence,
    refusal: () => refuse(job.record, { fence: note.fence, wish: 'note' }),
  });
  return toJob(write.record);
}

/** Ends a job nobody owns; of an owned one records the wish, which its owner carries out. */
export function requestCancel(session: Session, id: string, actor: string): Job {
  const job = readJob(session, id);
  if (!isActive(job.record.state)) {
    const move = { id, transition: 'cancel', fence: null, actor } as const;
    return toJob(moveChainedJob(session, job, { move }).record);
  }
  if (job.record.cancelRequestedAt !== null) return toJob(job.record);
  const write = writeJob(session, job, {
    kind: 'job.cancel_request',
    actor,
    changes: { cancelRequestedAt: session.at },
    guard: guardOf(['preparing', 'running'], job.record.fence),
    fence: null,
    refusal: () => refuse(job.record, { fence: null, wish: 'cancel' }),
  });
  return toJob(write.record);
}
