/** Files sent for a job: their events belong to the chain of the job. */
import { fail } from '../../kernel/errors.ts';
import type { JobFile } from '../../lifecycle/job-file.ts';
import type { Store } from '../store.ts';
import { JOB_FILES, type Chained, type JobRecord } from './entities.ts';
import { readJob, writeHead } from './jobs.ts';
import { appendEvent } from './journal.ts';
import { insertRecord, toRecord } from './records.ts';
import type { Reader, Session } from './session.ts';

/** Returns the files of a job by name. */
export function listJobFiles(reader: Reader, jobId: string): JobFile[] {
  return reader.sql
    .all(`SELECT ${JOB_FILES.select} FROM job_files WHERE job_id = $1 ORDER BY name`, jobId)
    .map((row) => toRecord(JOB_FILES, row));
}

/** What a job works with is settled when it is queued. */
function readHeldJob(session: Session, jobId: string): Chained<JobRecord> {
  const job = readJob(session, jobId);
  if (job.record.state === 'created') return job;
  const { number, state } = job.record;
  throw fail('state-conflict', `job ${number} is ${state}; its files are settled once it is started`, {
    hint: 'Submit a new job on hold, send the files, then start it.',
  });
}

/** Records a file, in place of one with the same name. Nothing is written when it is recorded as it is. */
export function recordJobFile(
  session: Session,
  ...[input]: Parameters<Store['recordJobFile']>
): { file: JobFile; replaced: JobFile | null } {
  const job = readHeldJob(session, input.jobId);
  const files = listJobFiles(session, input.jobId);
  const replaced = files.find((one) => one.name === input.name) ?? null;
  if (replaced !== null && replaced.sha256 === input.sha256 && replaced.overwrite === input.overwrite) {
    return { file: replaced, replaced };
  }
  const others = files.reduce((sum, one) => sum + (one.name === input.name ? 0 : one.size), 0);
  if (others + input.size > input.perJob) {
    throw fail('payload-too-large', `the files of job ${job.record.number} would have ${others + input.size} bytes`, {
      hint: `At most ${input.perJob} bytes for one job (limits.uploadBytesPerJob in holdfast.config.json).`,
    });
  }
  const { jobId, name, sha256, size, overwrite } = input;
  const file: JobFile = { id: `${jobId}/${name}`, jobId, name, sha256, size, overwrite, uploadedAt: session.at };
  append(session, job, { actor: input.actor, kind: 'file.record', data: file });
  if (replaced !== null) session.sql.run('DELETE FROM job_files WHERE id = $1', file.id);
  insertRecord(session.sql, JOB_FILES, { record: file, head: null });
  return { file, replaced };
}

/** Takes a file back; returns it. Throws `not-found`, `state-conflict`. */
export function dropJobFile(session: Session, ...[input]: Parameters<Store['dropJobFile']>): JobFile {
  const job = readHeldJob(session, input.jobId);
  const file = listJobFiles(session, input.jobId).find((one) => one.name === input.name);
  if (file === undefined) throw fail('not-found', `job ${job.record.number} has no file ${JSON.stringify(input.name)}`);
  append(session, job, { actor: input.actor, kind: 'file.drop', data: { id: file.id } });
  session.sql.run('DELETE FROM job_files WHERE id = $1', file.id);
  return file;
}

function append(
  session: Session,
  job: Chained<JobRecord>,
  { actor, kind, data }: { actor: string; kind: string; data: object },
): void {
  const event = { actor, kind, subject: job.record.id, jobId: job.record.id, attemptId: null, data };
  writeHead(session, job, appendEvent(session, event, job.head));
}
