/** The one door for the state of a job: guarded by the transition table and the fence, journalled in the same breath. */
import { fail } from '../../kernel/errors.ts';
import { describeFailure, judgeDependency, type Standing } from '../../lifecycle/dependency.ts';
import type { Job, Outcome } from '../../lifecycle/job.ts';
import { reopen } from '../../lifecycle/plan.ts';
import {
  JOB_TRANSITIONS,
  isActive,
  isTerminal,
  type JobState,
  type JobTransition,
} from '../../lifecycle/transitions.ts';
import { DAMAGED_RECORD } from '../quarantine-store.ts';
import type { JobMove, JobPatch } from '../store.ts';
import { listDependents, listWaiting, standingOf } from './dependencies.ts';
import { JOBS, type Chained, type JobRecord } from './entities.ts';
import { checkPatch, pickChanges } from './records.ts';
import { readJob, toJob } from './jobs.ts';
import { recordResults } from './ledger.ts';
import { readPlan } from './read-plan.ts';
import type { Session } from './session.ts';
import { verifyJob } from './verify-job.ts';
import { guardOf, guardOfTransition, refuse, writeJob } from './write-job.ts';

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

/** An operator opens a new round of it. */
type Reopening = 'retry' | 'release' | 'fixup';
const isReopening = (wish: JobTransition): wish is Reopening =>
  wish === 'retry' || wish === 'release' || wish === 'fixup';

/** What a transition changes by itself, before what the caller sets beside it; `wish` is the one that was asked for. */
function changesOf(
  session: Session,
  job: JobRecord,
  { transition, wish, awaits }: { transition: JobTransition; wish: JobTransition; awaits: string[] | null },
): Partial<JobRecord> {
  const state = JOB_TRANSITIONS[transition].to;
  const changes: Partial<JobRecord> = { state };
  if (isTerminal(state)) Object.assign(changes, { outcome: OUTCOMES[state] ?? null, finishedAt: session.at });
  if (transition === 'cancel') Object.assign(changes, { reason: 'cancelled_by_client', blocker: null });
  if (transition === 'start' || transition === 'enqueue') Object.assign(changes, { awaits: null, ...placeOf(session) });
  if (transition === 'wait') changes.awaits = awaits;
  if (transition === 'launch') Object.assign(changes, { startedAt: job.startedAt ?? session.at });
  return isReopening(wish) ? { ...changes, ...reopening(session, job, { wish, awaits }) } : changes;
}

/** The end of the queue. */
function placeOf(session: Session): { queueSeq: number; queuedAt: number } {
  return { queueSeq: session.counters.next('queueSeq'), queuedAt: session.at };
}

function reopening(
  session: Session,
  job: JobRecord,
  { wish, awaits }: { wish: Reopening; awaits: string[] | null },
): Partial<JobRecord> {
  if (wish === 'retry' && job.state === 'ready' && job.reason === null) {
    throw fail('state-conflict', `job ${job.number} is handed off`, { hint: 'To have more done, use fixup.' });
  }
  if (wish === 'fixup' && (job.plan === null || job.awaits !== null)) {
    const why = job.plan === null ? 'has no pipeline to be reopened' : 'has not begun, so nothing of it can be mended';
    throw fail('state-conflict', `job ${job.number} ${why}`, { hint: 'Retry it instead.' });
  }
  return {
    ...reopenPlan(session, job, wish),
    epoch: job.epoch + 1,
    outcome: null,
    reason: null,
    blocker: null,
    exitCode: null,
    exitSignal: null,
    cancelRequestedAt: null,
    awaits,
    overtaken: null,
    startedAt: null,
    finishedAt: null,
    claimedBy: null,
    ...(awaits === null ? placeOf(session) : { queueSeq: null, queuedAt: null }),
  };
}

/** An operator may have corrected what its repository wants passed: that counts from here on. */
function reopenPlan(session: Session, job: JobRecord, how: Reopening): Partial<JobRecord> {
  if (job.plan === null) return {};
  if (job.reason === 'weak_packet') {
    throw fail('state-conflict', `job ${job.number} can never begin: ${job.blocker ?? 'its packet is weak'}`, {
      hint: 'Submit a corrected packet, and remove this job.',
    });
  }
  const plan = readPlan(session, job.repository) ?? job.plan;
  return { plan, ...reopen({ ...job, plan }, how) };
}

/**
 * Returns whom a job has to wait for instead of what is wished, or null. Whoever starts or releases it wants it done in
 * its turn; whoever retries it knows what failed, so only what may still end well is waited for again.
 */
function awaitedInstead(standing: Standing | null, { state }: JobRecord, wish: JobTransition): string[] | null {
  if (standing === null) return null;
  const isHeld = wish === 'start' && state === 'created';
  const awaited = wish === 'retry' ? standing.alive : isHeld || wish === 'release' ? standing.open : [];
  return awaited.length === 0 ? null : awaited;
}

/** Whether how a job stands to those it waits for decides what is made of a wish. */
function asksStanding({ state, awaits }: JobRecord, wish: JobTransition): boolean {
  return awaits !== null && ((wish === 'start' && state === 'created') || isReopening(wish));
}

/** Moves a job that was read in this transaction; `extra` are columns the store itself changes beside it. */
export function moveChainedJob(
  session: Session,
  job: Chained<JobRecord>,
  { move, extra = {}, note = {} }: { move: JobMove; extra?: Partial<JobRecord>; note?: Record<string, string> },
): Chained<JobRecord> {
  const set = checkPatch(move.set, PATCHABLE);
  const wish = move.transition;
  const standing = asksStanding(job.record, wish) ? standingOf(session, job.record) : null;
  const awaits = awaitedInstead(standing, job.record, wish);
  // A wish to cancel that arrived while its owner was putting the job back must not be lost: nothing of it lives now.
  const isPutBack = PUTS_BACK.has(wish);
  const transition = isPutBack && job.record.cancelRequestedAt !== null ? 'cancel' : awaits === null ? wish : 'wait';
  const from = JOB_TRANSITIONS[wish].from;
  const before =
    move.results === undefined ? job : recordResults(session, job, { results: move.results, actor: move.actor });
  const changes = { ...changesOf(session, job.record, { transition, wish, awaits }), ...extra };
  if (move.newEpoch === true && transition === 'advance') changes.epoch = job.record.epoch + 1;
  if (transition === wish) {
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
    note,
    guard: guardOfTransition(wish, move.fence),
    fence: move.fence,
    refusal: () => refuse(job.record, { fence: move.fence, wish, from }),
  });
  // It may have been counted in a line that its damaged row does not name.
  if (transition === 'quarantine' && job.record.state === 'queued') session.counters.recountWaiting();
  const failure = transition === 'wait' && wish !== 'retry' ? (standing?.failure ?? null) : null;
  if (failure !== null) return blockDependent(session, moved, { why: failure, note, actor: move.actor });
  carryOnDependents(session, moved.record, move.actor);
  return moved;
}

/** Blocks a waiting job: one of those it comes after will not end well. What waits for it in turn goes on waiting. */
function blockDependent(
  session: Session,
  job: Chained<JobRecord>,
  { why, note, actor }: { why: string; note: Record<string, string>; actor: string },
): Chained<JobRecord> {
  const set = { reason: 'dependency_failed' as const, blocker: why };
  const move = { id: job.record.id, transition: 'block' as const, fence: null, set, actor };
  return moveChainedJob(session, job, { move, note });
}

/** What a job still waits for once others ended well; which one it was, where one is to be told of. */
interface Met {
  left: string[];
  note: Record<string, string>;
  actor: string;
}

/** Makes a job forget those that ended well; a waiting one has its place once none is left. */
function meetDependent(session: Session, job: Chained<JobRecord>, { left, note, actor }: Met): void {
  const { id, state } = job.record;
  if (left.length === 0 && state === 'waiting') {
    moveChainedJob(session, job, { move: { id, transition: 'enqueue', fence: null, actor }, note });
    return;
  }
  writeJob(session, job, {
    kind: 'job.dependency_met',
    actor,
    changes: { awaits: left.length === 0 ? null : left },
    note,
    guard: guardOf(['created', 'waiting'], null),
    fence: null,
    refusal: () => refuse(job.record, { fence: null, wish: 'note' }),
  });
}

/** Sets a job aside that an earlier server left waiting and that is damaged: it must not go on by the word of others. */
function isSetAside(session: Session, job: Chained<JobRecord>, actor: string): boolean {
  const { id, number } = job.record;
  const faults = number > session.inheritedThrough ? [] : verifyJob(session.sql, id);
  if (faults.length === 0) return false;
  const set = { reason: 'record_corrupt' as const, blocker: DAMAGED_RECORD + faults.join('; ') };
  moveChainedJob(session, job, { move: { id, transition: 'quarantine', fence: null, set, actor } });
  return true;
}

/**
 * Carries on who waits for a job that has ended, or was removed (state null), in the transaction of that: nobody has to
 * look for them later, and a crash finds both done or none.
 */
export function carryOnDependents(
  session: Session,
  ended: Pick<JobRecord, 'id' | 'number' | 'reason'> & { state: JobState | null },
  actor: string,
): void {
  const verdict = judgeDependency(ended);
  if (verdict === 'pending') return;
  const { id } = ended;
  for (const job of listDependents(session, id)) {
    const { awaits, state } = job.record;
    // It was met before, and its job reopened since.
    if (awaits?.includes(id) !== true || isSetAside(session, job, actor)) continue;
    const note = { dependency: id };
    if (verdict === 'met') meetDependent(session, job, { left: awaits.filter((one) => one !== id), note, actor });
    else if (state === 'waiting') blockDependent(session, job, { why: describeFailure(ended), note, actor });
  }
}

/** Carries on every waiting job whose turn it should be: while its row or the index was damaged nobody told it. */
export function carryOnWaiting(session: Session, actor: string): void {
  for (const job of listWaiting(session)) {
    const standing = standingOf(session, job.record);
    if (standing === null || isSetAside(session, job, actor)) continue;
    const { failure, open } = standing;
    if (failure !== null) blockDependent(session, job, { why: failure, note: {}, actor });
    else if (open.length !== job.record.awaits?.length) meetDependent(session, job, { left: open, note: {}, actor });
  }
}

/** Carried out by a claim, the intent of an attempt, and what becomes of the jobs another one comes after. */
const OWN_DOORS = new Set<JobTransition>(['claim', 'launch', 'wait', 'enqueue']);

/** Carries out a transition of an owner or an operator; some have their own doors. */
export function moveJob(session: Session, move: JobMove): Job {
  if (OWN_DOORS.has(move.transition)) {
    throw fail('bad-request', `${move.transition} is not a move by itself: it follows from what is done otherwise`);
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
