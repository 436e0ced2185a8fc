/**
 * Reads of what jobs come after. Who waits for a job is found by an index of that job, so that its end costs one look
 * however many jobs there are; nothing here is polled, and nothing is worked out anew at a start.
 */
import { fail } from '../../kernel/errors.ts';
import { MAX_AFTER, standBehind, type Dependency, type Standing } from '../../lifecycle/dependency.ts';
import type { Job, Reason } from '../../lifecycle/job.ts';
import type { JobState } from '../../lifecycle/transitions.ts';
import type { Chained, JobRecord } from './entities.ts';
import { findJob, readJob } from './jobs.ts';
import type { Reader, Session } from './session.ts';
import { findTombstone } from './tombstones.ts';

const READ = 'SELECT id, number, state, reason, frozen FROM jobs WHERE id IN (SELECT value FROM json_each($1))';

/** Returns jobs as far as it matters to who comes after them, in the order of the ids; one that was removed says so. */
export function listDependencies(reader: Reader, ids: readonly string[]): Dependency[] {
  if (ids.length === 0) return [];
  const rows = reader.sql.all(READ, JSON.stringify(ids));
  const known = new Map(
    rows.map((row): [string, Dependency] => {
      const [id, number] = [String(row['id']), Number(row['number'])];
      const state = String(row['state']) as JobState;
      return [id, { id, number, state, reason: row['reason'] as Reason | null, frozen: row['frozen'] === 1 }];
    }),
  );
  return ids.map((id) => known.get(id) ?? { ...GONE, id, number: findTombstone(reader, id)?.number ?? null });
}

const GONE = { state: null, reason: null, frozen: false };

/** Returns how a job stands to those it waits for; null for one that waits for nobody. */
export function standingOf(reader: Reader, { awaits }: Pick<JobRecord, 'awaits'>): Standing | null {
  return awaits === null ? null : standBehind(listDependencies(reader, awaits));
}

/**
 * Returns the ids of the jobs these references name, each once, in their order. Throws `job-not-found` for one that is
 * not there, `ambiguous-id`, and `bad-request` for too many.
 */
export function resolveAfter(session: Session, references: readonly string[]): string[] {
  if (references.length > MAX_AFTER) throw fail('bad-request', `it comes after more than ${MAX_AFTER} jobs`);
  const jobs = references.map((reference): Job => {
    const job = findJob(session, reference);
    if (job !== null) return job;
    const removed = findTombstone(session, reference) === null ? '' : ' any more';
    throw fail('job-not-found', `there is no job ${reference}${removed}, after which it could come`);
  });
  return [...new Set(jobs.map(({ id }) => id))];
}

/** Who is told of the end of a job: held jobs remember that it ended well, waiting ones go on or are blocked. */
const DEPENDENTS = `SELECT jobs.id FROM job_after CROSS JOIN jobs ON jobs.number = job_after.number
  WHERE job_after.dependency = $1 AND jobs.state IN ('created', 'waiting') ORDER BY job_after.number`;

/** Returns the jobs that come after this one and have not begun to queue, in the order of their acceptance. */
export function listDependents(session: Session, id: string): Chained<JobRecord>[] {
  return session.sql.all(DEPENDENTS, id).map((row) => readJob(session, String(row['id'])));
}

/** Returns every job that waits for others. Reads live work only. */
export function listWaiting(session: Session): Chained<JobRecord>[] {
  return session.sql
    .all(`SELECT id FROM jobs WHERE finished_at IS NULL AND state = 'waiting' ORDER BY number`)
    .map((row) => readJob(session, String(row['id'])));
}
