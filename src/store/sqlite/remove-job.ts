/** Removal of an ended job: its rows and its chain go in one transaction, which leaves a tombstone. */
import { fail } from '../../kernel/errors.ts';
import { repositoriesOf } from '../../lifecycle/job.ts';
import { isTerminal } from '../../lifecycle/transitions.ts';
import type { DeliveryState } from '../../lifecycle/delivery.ts';
import type { Store } from '../store.ts';
import type { JobRecord } from './entities.ts';
import { carryOnDependents } from './job-moves.ts';
import { appendEvent } from './journal.ts';
import { readJob } from './jobs.ts';
import { refuseOtherEnd } from './retention.ts';
import type { Session } from './session.ts';

/** Tables with rows of a job (column `job_id`); a test holds this list against the schema. */
export const TABLES_OF_A_JOB = [
  'attempts',
  'job_files',
  'deliveries',
  'batches',
  'resources',
  'gates',
  'evidence',
  'refusals',
] as const;

/** What of a job is not over although the job has ended: by whom it is looked after, nobody would know any more. */
const OPEN: readonly { query: string; noun: string; hint: string }[] = [
  {
    query: 'SELECT id FROM deliveries WHERE job_id = $1 AND finished_at IS NULL LIMIT 1',
    noun: 'delivery',
    hint: 'Wait until it is delivered or given up; `holdfast callbacks` shows it.',
  },
  {
    query: 'SELECT id FROM resources WHERE job_id = $1 AND removed_at IS NULL LIMIT 1',
    noun: 'resource',
    hint: 'Wait until it is removed, or forget it; `holdfast resource list` shows it.',
  },
  {
    query: 'SELECT id FROM quarantine WHERE job_id = $1 AND released_at IS NULL LIMIT 1',
    noun: 'quarantined item',
    hint: 'Look at it, then release it; `holdfast recovery quarantine` shows it.',
  },
];

/**
 * Removes an ended job. What is left is a tombstone with the end of its chain, and the event of the removal, which
 * follows that end: so the journal still ends with what was answered, and a chain that was cut otherwise is noticed.
 */
export function removeJob(session: Session, ...[input]: Parameters<Store['removeJob']>): void {
  const { id, actor, finishedAt = null } = input;
  const { record, head } = readJob(session, id);
  if (finishedAt !== null) refuseOtherEnd(record, finishedAt);
  checkRemovable(session, record);
  const { sql } = session;
  const span = sql.get('SELECT min(seq) AS first, max(seq) AS last FROM events WHERE subject = $1', id);
  const repositories = repositoriesOf(record);
  const data = { number: record.number, repositories };
  const event = { actor, kind: 'job.remove', subject: id, jobId: id, attemptId: null, data };
  const end = appendEvent(session, event, head);
  sql.run('DELETE FROM events WHERE subject = $1 AND seq < $2', id, session.counters.last('seq'));
  sql.run(
    `INSERT INTO tombstones (subject, head, removed_at, number, repositories, cut_head, first_seq, last_seq)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
    id,
    end,
    session.at,
    record.number,
    JSON.stringify(repositories),
    head,
    Number(span?.['first']),
    Number(span?.['last']),
  );
  removeRows(session, record);
  carryOnDependents(session, { ...record, state: null }, actor);
}

function checkRemovable(session: Session, job: JobRecord): void {
  if (!isTerminal(job.state)) {
    throw fail('state-conflict', `job ${job.number} is ${job.state}; only what has ended is removed`, {
      hint: `Cancel it first: holdfast cancel ${job.number}`,
    });
  }
  const lock = session.sql.get('SELECT operation FROM locks WHERE job_id = $1', job.id);
  if (lock !== null) {
    throw fail('state-conflict', `operation ${String(lock['operation'])} of job ${job.number} holds a lock still`);
  }
  for (const { query, noun, hint } of OPEN) {
    const open = session.sql.get(query, job.id);
    if (open === null) continue;
    throw fail('state-conflict', `${noun} ${String(open['id'])} of job ${job.number} is not over`, { hint });
  }
}

function removeRows({ sql, counters, jobs, attempts }: Session, job: JobRecord): void {
  for (const row of sql.all('SELECT id FROM attempts WHERE job_id = $1', job.id)) attempts.delete(String(row['id']));
  for (const row of sql.all('SELECT state FROM deliveries WHERE job_id = $1', job.id)) {
    counters.dropDelivery(String(row['state']) as DeliveryState);
  }
  for (const table of TABLES_OF_A_JOB) sql.run(`DELETE FROM ${table} WHERE job_id = $1`, job.id);
  sql.run('DELETE FROM jobs WHERE number = $1', job.number);
  jobs.delete(job.id);
  counters.dropJob(job, job.state);
  const used = sql.get('SELECT 1 FROM jobs WHERE prompt_sha256 = $1 LIMIT 1', job.promptSha256);
  if (used === null) sql.run('DELETE FROM prompts WHERE sha256 = $1', job.promptSha256);
}
