/** Reads of jobs. Every list is paged by an index. */
import { fail } from '../../kernel/errors.ts';
import type { Job } from '../../lifecycle/job.ts';
import { isTerminal } from '../../lifecycle/transitions.ts';
import type { JobQuery, Page } from '../store.ts';
import { JOBS, type Chained, type JobRecord } from './entities.ts';
import { toChained, toRecord } from './records.ts';
import type { Reader, Session } from './session.ts';
import type { Row, Value } from './sql.ts';
import { failMissingJob } from './tombstones.ts';

/** Returns a stored job as callers see it; the CHECK constraints make each state carry what its type says. */
export function toJob(record: JobRecord): Job {
  return record as Job;
}

function rowToJob(row: Row): Job {
  return toJob(toRecord(JOBS, row));
}

/** Returns a job with the head of its chain, for a write; throws `job-not-found`. */
export function readJob(session: Session, id: string): Chained<JobRecord> {
  const known = session.jobs.get(id);
  if (known !== null) return known;
  const row = session.sql.get(`SELECT ${JOBS.select} FROM jobs WHERE id = $1`, id);
  if (row === null) throw failMissingJob(session, id);
  const job = toChained(JOBS, row);
  session.jobs.set(id, job);
  return job;
}

/** Puts the end of a chain to which an event of something else was added into the job's row. */
export function writeHead(session: Session, job: Chained<JobRecord>, head: string): void {
  const { number, id } = job.record;
  session.sql.run('UPDATE jobs SET head = $1 WHERE number = $2', head, number);
  session.jobs.set(id, { record: job.record, head });
}

/** Returns a job by id, or null. */
export function getJob(reader: Reader, id: string): Job | null {
  const row = reader.sql.get(`SELECT ${JOBS.select} FROM jobs WHERE id = $1`, id);
  return row === null ? null : rowToJob(row);
}

/** Sorts after every character of an id. */
const AFTER_IDS = '~';

/** Finds a job by number, id, or unique prefix of an id, with or without `job_`. */
export function findJob(reader: Reader, reference: string): Job | null {
  if (/^\d{1,15}$/.test(reference)) {
    const row = reader.sql.get(`SELECT ${JOBS.select} FROM jobs WHERE number = $1`, Number(reference));
    return row === null ? null : rowToJob(row);
  }
  if (!/^[0-9a-z_]+$/.test(reference)) return null;
  const prefix = reference.startsWith('job_') ? reference : `job_${reference}`;
  const rows = reader.sql.all(
    `SELECT ${JOBS.select} FROM jobs WHERE id >= $1 AND id < $2 ORDER BY id LIMIT 2`,
    prefix,
    prefix + AFTER_IDS,
  );
  const [first, second] = rows;
  if (first === undefined) return null;
  if (second !== undefined) {
    throw fail('ambiguous-id', `"${reference}" fits ${String(first['id'])}, ${String(second['id'])} and perhaps more`);
  }
  return rowToJob(first);
}

/** Returns the text of a prompt, or null. */
export function getPrompt(reader: Reader, sha256: string): string | null {
  const row = reader.sql.get('SELECT body FROM prompts WHERE sha256 = $1', sha256);
  return row === null ? null : String(row['body']);
}

const MAX_PAGE = 200;
const DEFAULT_PAGE = 50;

function decodeCursor(cursor: string): number {
  const number = Number(Buffer.from(cursor, 'base64url').toString());
  if (!Number.isSafeInteger(number) || number < 1) throw fail('bad-request', 'the cursor is not one of ours');
  return number;
}

/** Returns a page of jobs, newest first. */
export function listJobs(reader: Reader, query: JobQuery): Page<Job> {
  const limit = Math.min(Math.max(1, Math.floor(query.limit ?? DEFAULT_PAGE)), MAX_PAGE);
  const conditions: string[] = [];
  const values: Value[] = [];
  const add = (condition: string, value: Value): void => {
    values.push(value);
    conditions.push(`${condition} $${values.length}`);
  };
  if (query.state !== undefined) {
    add('state =', query.state);
    // Names the partial index of this state.
    conditions.push(isTerminal(query.state) ? 'finished_at IS NOT NULL' : 'finished_at IS NULL');
  }
  if (query.cursor !== undefined) add('number <', decodeCursor(query.cursor));
  if (query.before !== undefined) add('number <', query.before);
  values.push(limit + 1);
  const rows = reader.sql.all(
    query.repository === undefined
      ? `SELECT ${JOBS.select} FROM jobs ${whereAll(conditions)} ORDER BY number DESC LIMIT $${values.length}`
      : selectOfRepository(conditions, values, query.repository),
    ...values,
  );
  const items = rows.slice(0, limit).map(rowToJob);
  const last = items.at(-1);
  const more = rows.length > limit && last !== undefined;
  return { items, nextCursor: more ? Buffer.from(String(last.number)).toString('base64url') : null };
}

function whereAll(conditions: readonly string[]): string {
  return conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`;
}

/** A page of the jobs of a repository, from the index of those it is the first of and of those it is a further one of. */
function selectOfRepository(conditions: readonly string[], values: Value[], repository: string): string {
  const limit = `ORDER BY number DESC LIMIT $${values.length}`;
  values.push(repository);
  const name = `$${values.length}`;
  // What is not over is found among all live work: the index of the repository would pass over all that is.
  const own = conditions.includes('finished_at IS NULL') ? `repository || '' = ${name}` : `repository = ${name}`;
  const first = `SELECT number FROM jobs ${whereAll([...conditions, own])} ${limit}`;
  const further = `SELECT number FROM jobs ${whereAll([...conditions, `number IN (SELECT number FROM job_others WHERE repository = ${name})`])} ${limit}`;
  return `SELECT ${JOBS.select} FROM jobs WHERE number IN
    (SELECT number FROM (${first}) UNION ALL SELECT number FROM (${further})) ${limit}`;
}

/** Returns queued jobs in queue order. */
export function listQueue(reader: Reader, limit: number): Job[] {
  return reader.sql
    .all(
      `SELECT ${JOBS.select} FROM jobs WHERE state = 'queued' ORDER BY priority DESC, queue_seq LIMIT $1`,
      Math.max(1, Math.floor(limit)),
    )
    .map(rowToJob);
}

/** Returns jobs in `preparing` or `running`, by number. */
export function listActiveJobs(reader: Reader): Job[] {
  return reader.sql
    .all(`SELECT ${JOBS.select} FROM jobs WHERE state IN ('preparing', 'running') ORDER BY number`)
    .map(rowToJob);
}

/** Returns the place of a queued job, from 1, or null. */
export function getQueuePosition(reader: Reader, id: string): number | null {
  const row = reader.sql.get(
    `SELECT 1 + (SELECT count(*) FROM jobs AS ahead WHERE ahead.state = 'queued'
       AND (ahead.priority > jobs.priority OR (ahead.priority = jobs.priority AND ahead.queue_seq < jobs.queue_seq))
     ) AS position FROM jobs WHERE id = $1 AND state = 'queued'`,
    id,
  );
  return row === null ? null : Number(row['position']);
}
