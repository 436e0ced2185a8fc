/** Attempts: intended, seen, ended. Their events belong to the chain of their job, whose fence guards every write. */
import { fail, type HoldfastError } from '../../kernel/errors.ts';
import { makeId } from './ids.ts';
import { SESSION_REJECTED, type Attempt } from '../../lifecycle/attempt.ts';
import type { Job } from '../../lifecycle/job.ts';
import { isGateCommand, isWork } from '../../lifecycle/stage.ts';
import { ATTEMPT_TRANSITIONS, type AttemptTransition } from '../../lifecycle/transitions.ts';
import type { VerdictKind } from '../../lifecycle/verdict.ts';
import type { AttemptMove, AttemptPatch, JobMove, NewAttempt, Store } from '../store.ts';
import { ATTEMPTS, type AttemptRecord, type Chained, type JobRecord } from './entities.ts';
import { checkPatch, insertRecord, pickChanges, toRecord, updateRecord, withoutNulls } from './records.ts';
import { moveChainedJob } from './job-moves.ts';
import { readJob, toJob, writeHead } from './jobs.ts';
import { appendEvent } from './journal.ts';
import type { Reader, Session } from './session.ts';
import { listLiterals } from './sql.ts';

/** Returns a stored attempt as callers see it; the CHECK constraints make each state carry what its type says. */
function toAttempt(record: AttemptRecord): Attempt {
  return record as Attempt;
}

/** Returns one attempt of a job, or null. */
export function getAttempt(reader: Reader, jobId: string, number: number): Attempt | null {
  const row = reader.sql.get(
    `SELECT ${ATTEMPTS.select} FROM attempts WHERE job_id = $1 AND number = $2`,
    jobId,
    number,
  );
  return row === null ? null : toAttempt(toRecord(ATTEMPTS, row));
}

/** Returns the attempts of a job by number. */
export function listAttempts(reader: Reader, jobId: string): Attempt[] {
  return reader.sql
    .all(`SELECT ${ATTEMPTS.select} FROM attempts WHERE job_id = $1 ORDER BY number`, jobId)
    .map((row) => toAttempt(toRecord(ATTEMPTS, row)));
}

/** Returns attempts that may have a process, oldest first. */
export function listLiveAttempts(reader: Reader): Attempt[] {
  return reader.sql
    .all(`SELECT ${ATTEMPTS.select} FROM attempts WHERE state IN ('intended', 'running') ORDER BY id`)
    .map((row) => toAttempt(toRecord(ATTEMPTS, row)));
}

/**
 * Counts attempts of a lineage and epoch that ended `interrupted` at or after a time, and not because we stopped them or
 * their session was rejected.
 */
export function countInterrupted(
  reader: Reader,
  ...[lineage, epoch, since]: Parameters<Store['countInterrupted']>
): number {
  const row = reader.sql.get(
    `SELECT count(*) AS n FROM attempts WHERE state = 'interrupted' AND ended_at >= $2 AND epoch = $3
       AND coalesce(stopped_by, '') <> 'stop' AND coalesce(note, '') <> $4
       AND job_id IN (SELECT id FROM jobs WHERE id = $1 AND lineage = $1
                      UNION ALL SELECT id FROM jobs WHERE lineage = $1 AND lineage <> id)`,
    lineage,
    since,
    epoch,
    SESSION_REJECTED,
  );
  return Number(row?.['n'] ?? 0);
}

/** Makes the next attempt of a job and launches the job. */
export function intendAttempt(session: Session, input: NewAttempt): { job: Job; attempt: Attempt } {
  const job = readJob(session, input.jobId);
  const attempts = job.record.attempts + 1;
  const attempt = makeRecord(session, job.record, { ...input, id: makeId('att', session.at), number: attempts });
  const event = { attempt, transition: 'intend', actor: input.boot, data: withoutNulls(attempt) } as const;
  const head = appendAttemptEvent(session, job, event);
  const launched = moveChainedJob(
    session,
    { record: job.record, head },
    {
      move: { id: input.jobId, transition: 'launch', fence: input.fence, actor: input.boot },
      extra: {
        attempts,
        sessionId: isWork(job.record.stage) ? (input.sessionId ?? job.record.sessionId) : job.record.sessionId,
      },
    },
  );
  insertRecord(session.sql, ATTEMPTS, { record: attempt, head: null });
  session.attempts.set(attempt.id, attempt);
  return { job: toJob(launched.record), attempt: toAttempt(attempt) };
}

function appendAttemptEvent(
  session: Session,
  job: Chained<JobRecord>,
  event: { attempt: AttemptRecord; transition: AttemptTransition | 'intend'; actor: string; data: object },
): string {
  const { attempt, transition, actor, data } = event;
  const subject = { subject: attempt.jobId, jobId: attempt.jobId, attemptId: attempt.id };
  return appendEvent(session, { actor, kind: `attempt.${transition}`, ...subject, data }, job.head);
}

function makeRecord(
  session: Session,
  job: JobRecord,
  input: NewAttempt & { id: string; number: number },
): AttemptRecord {
  return {
    jobId: job.id,
    number: input.number,
    id: input.id,
    stage: job.stage,
    gate: job.step?.gate ?? null,
    task: job.step?.task ?? null,
    epoch: job.epoch,
    fence: input.fence,
    state: 'intended',
    mode: input.mode,
    sessionId: input.sessionId,
    model: input.model ?? null,
    limits: isGateCommand(job) ? (job.plan?.gateLimits ?? job.limits) : job.limits,
    boot: input.boot,
    agent: null,
    keeper: null,
    intendedAt: session.at,
    startedAt: null,
    endedAt: null,
    verdict: null,
    exitCode: null,
    exitSignal: null,
    stoppedBy: null,
    outputBytes: 0,
    outputSha256: null,
    stderrSha256: null,
    evidenceLevel: null,
    note: null,
    version: 1,
  };
}

/** Verdict that goes without saying: what each ending means when its owner names no other. */
const VERDICTS = {
  finish: 'FINISHED',
  interrupt: 'INTERRUPTED',
  seal: 'SEALED',
  quarantine: 'QUARANTINE',
} as const satisfies Record<Exclude<AttemptTransition, 'attach'>, VerdictKind>;

/** Fields a caller may set; the rest is the store's own. */
const PATCHABLE = new Set<string>([
  'agent',
  'keeper',
  'startedAt',
  'sessionId',
  'verdict',
  'exitCode',
  'exitSignal',
  'stoppedBy',
  'outputBytes',
  'outputSha256',
  'stderrSha256',
  'evidenceLevel',
  'note',
] satisfies (keyof AttemptPatch)[]);

const GUARDS = Object.fromEntries(
  Object.entries(ATTEMPT_TRANSITIONS).map(([name, { from }]) => [name, ` AND state IN (${listLiterals(from)})`]),
) as Record<AttemptTransition, string>;

function readAttempt(session: Session, id: string): AttemptRecord {
  const known = session.attempts.get(id);
  if (known !== null) return known;
  const row = session.sql.get(`SELECT ${ATTEMPTS.select} FROM attempts WHERE id = $1`, id);
  if (row === null) throw fail('not-found', `there is no attempt ${id}`);
  const attempt = toRecord(ATTEMPTS, row);
  session.attempts.set(id, attempt);
  return attempt;
}

function refuse(attempt: AttemptRecord, job: JobRecord, move: AttemptMove): HoldfastError {
  const name = `attempt ${attempt.number} of job ${job.number}`;
  if (move.fence !== job.fence || move.fence !== attempt.fence) {
    return fail(
      'fenced',
      `${name} was made under claim ${attempt.fence}; claim ${job.fence} is the newest, not ${move.fence}`,
    );
  }
  const from = ATTEMPT_TRANSITIONS[move.transition].from.join(', ');
  return fail('state-conflict', `${name} is ${attempt.state}; ${move.transition} needs ${from}`);
}

function changesOf(session: Session, attempt: AttemptRecord, move: AttemptMove): Partial<AttemptRecord> {
  const set = checkPatch(move.set, PATCHABLE);
  const state = ATTEMPT_TRANSITIONS[move.transition].to;
  const own: Partial<AttemptRecord> =
    move.transition === 'attach'
      ? { startedAt: attempt.startedAt ?? session.at }
      : { endedAt: session.at, verdict: VERDICTS[move.transition] };
  const wished: Partial<AttemptRecord> = { ...own, ...set };
  return { ...pickChanges(ATTEMPTS, attempt, wished), state, version: attempt.version + 1 };
}

/** Moves an attempt; returns it with the head its job's chain has to get, in the same transaction. */
function writeAttempt(session: Session, move: AttemptMove): { attempt: AttemptRecord; job: Chained<JobRecord> } {
  const attempt = readAttempt(session, move.id);
  const job = readJob(session, attempt.jobId);
  const data = changesOf(session, attempt, move);
  const { transition, actor } = move;
  const head = appendAttemptEvent(session, job, { attempt, transition, actor, data });
  const guard = GUARDS[move.transition];
  const update = { key: attempt.id, changes: data, head: null, guard, fence: move.fence };
  if (move.fence !== job.record.fence || !updateRecord(session.sql, ATTEMPTS, update)) {
    throw refuse(attempt, job.record, move);
  }
  const after = { ...attempt, ...data };
  session.attempts.set(after.id, after);
  return { attempt: after, job: { record: job.record, head } };
}

/** Carries out a transition of an attempt alone. */
export function moveAttempt(session: Session, move: AttemptMove): Attempt {
  const { attempt, job } = writeAttempt(session, move);
  writeHead(session, job, job.head);
  return toAttempt(attempt);
}

/** Ends an attempt and moves its job, both or none. */
export function settleAttempt(session: Session, move: AttemptMove, jobMove: JobMove): { job: Job; attempt: Attempt } {
  const { attempt, job } = writeAttempt(session, move);
  if (attempt.jobId !== jobMove.id) throw fail('bad-request', `attempt ${attempt.id} is not one of job ${jobMove.id}`);
  const moved = moveChainedJob(session, job, { move: jobMove });
  return { job: toJob(moved.record), attempt: toAttempt(attempt) };
}
