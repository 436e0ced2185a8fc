/** What goes by age: lists paged by their index, and the two steps in which the workspace of an ended job goes. */
import { fail, type HoldfastError } from '../../kernel/errors.ts';
import type { Job } from '../../lifecycle/job.ts';
import { isTerminal } from '../../lifecycle/transitions.ts';
import type { EndedJob, EndedQuery } from '../retention-store.ts';
import { JOBS, type Chained, type JobRecord } from './entities.ts';
import { writeJob } from './write-job.ts';
import { readJob, toJob } from './jobs.ts';
import { toRecord } from './records.ts';
import type { Reader, Session } from './session.ts';

const MAX_PAGE = 1000;

/** Returns ended jobs by the time they ended, oldest first. */
export function listEnded({ sql }: Reader, query: EndedQuery): Job[] {
  const which = query.workspaces ? "AND workspace_state <> 'none'" : '';
  const { finishedAt, number } = query.after ?? { finishedAt: -1, number: 0 };
  return sql
    .all(
      `SELECT ${JOBS.select} FROM jobs WHERE finished_at IS NOT NULL ${which} AND finished_at < $1
       AND (finished_at, number) > ($2, $3) ORDER BY finished_at, number LIMIT $4`,
      query.before,
      finishedAt,
      number,
      Math.min(query.limit, MAX_PAGE),
    )
    .map((row) => toJob(toRecord(JOBS, row)));
}

/** Returns the ended jobs whose workspace is on its way out. */
export function listRetirements({ sql }: Reader, limit: number): Job[] {
  return sql
    .all(
      `SELECT ${JOBS.select} FROM jobs WHERE workspace_removed_at IS NOT NULL AND workspace_state = 'preparing'
       AND finished_at IS NOT NULL ORDER BY number LIMIT $1`,
      Math.min(limit, MAX_PAGE),
    )
    .map((row) => toJob(toRecord(JOBS, row)));
}

/** Records that the workspace of an ended job is about to go. */
export function beginRetirement(session: Session, ended: EndedJob): Job {
  const job = readEnded(session, ended);
  if (job.record.workspaceRemovedAt !== null && job.record.workspaceState !== 'ready') return toJob(job.record);
  const changes = { workspaceState: 'preparing', workspaceRemovedAt: session.at } as const;
  return retire(session, job, { kind: 'job.retire', actor: ended.actor, changes });
}

/** Records that it is gone. */
export function endRetirement(session: Session, ended: EndedJob): Job {
  const job = readEnded(session, ended);
  const { workspaceState, workspaceRemovedAt, number } = job.record;
  if (workspaceRemovedAt === null || workspaceState === 'ready') {
    throw fail('state-conflict', `the workspace of job ${number} was not to be removed`);
  }
  if (workspaceState === 'none') return toJob(job.record);
  return retire(session, job, { kind: 'job.retired', actor: ended.actor, changes: { workspaceState: 'none' } });
}

function readEnded(session: Session, { id, finishedAt }: EndedJob): Chained<JobRecord> {
  const job = readJob(session, id);
  refuseOtherEnd(job.record, finishedAt);
  return job;
}

/** Throws `state-conflict` unless the job has ended, at this time. */
export function refuseOtherEnd({ number, state, finishedAt }: JobRecord, expected: number): void {
  if (isTerminal(state) && finishedAt === expected) return;
  throw fail('state-conflict', `job ${number} is ${state}, and not as it was when its age was looked at`);
}

function retire(
  session: Session,
  job: Chained<JobRecord>,
  write: { kind: string; actor: string; changes: Partial<JobRecord> },
): Job {
  const refusal = (): HoldfastError => fail('state-conflict', `job ${job.record.number} has not ended`);
  return toJob(
    writeJob(session, job, { ...write, guard: ' AND finished_at IS NOT NULL', fence: null, refusal }).record,
  );
}
