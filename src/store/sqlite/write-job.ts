/** The guarded write of a job with its event: every change of a job's row goes through here. */
import { fail, type HoldfastError } from '../../kernel/errors.ts';
import { JOB_TRANSITIONS, isActive, type JobState, type JobTransition } from '../../lifecycle/transitions.ts';
import { tellOfJob } from './deliveries.ts';
import { JOBS, type Chained, type JobRecord } from './entities.ts';
import { appendEvent } from './journal.ts';
import { updateRecord } from './records.ts';
import type { Session } from './session.ts';
import { listLiterals } from './sql.ts';

/** SQL that holds only for a job whose state is among `from`; without a fence no owner may be robbed. */
export function guardOf(from: readonly JobState[], fence: number | null): string {
  const states = fence === null ? from.filter((state) => !isActive(state)) : from;
  return ` AND state IN (${states.length === 0 ? "''" : listLiterals(states)})`;
}

const guards = new Map<string, string>();
/** The same for the states a transition is made from. */
export function guardOfTransition(transition: JobTransition, fence: number | null): string {
  const name = `${transition}${fence === null ? '' : ' fenced'}`;
  const guard = guards.get(name) ?? guardOf(JOB_TRANSITIONS[transition].from, fence);
  guards.set(name, guard);
  return guard;
}

/** Says why a guarded write of a job changed nothing. */
export function refuse(
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
