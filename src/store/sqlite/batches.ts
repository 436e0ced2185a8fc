/** Fetches that went well. The event belongs to the chain of the job that fetched, else of the repository. */
import type { Store } from '../store.ts';
import type { Batch } from '../waiting-store.ts';
import { BATCHES, REPOSITORIES } from './entities.ts';
import { makeId } from './ids.ts';
import { readJob, writeHead } from './jobs.ts';
import { appendEvent } from './journal.ts';
import { insertRecord, toRecord, withoutNulls } from './records.ts';
import { readRepository } from './repositories.ts';
import type { Reader, Session } from './session.ts';

/** Returns the newest batch of a repository, or null. */
export function getNewestBatch(reader: Reader, repositoryId: string): Batch | null {
  const row = reader.sql.get(
    `SELECT ${BATCHES.select} FROM batches WHERE repository_id = $1 ORDER BY through DESC LIMIT 1`,
    repositoryId,
  );
  return row === null ? null : toRecord(BATCHES, row);
}

/** Records a fetch that went well, and whom it serves. */
export function recordBatch(session: Session, input: Parameters<Store['recordBatch']>[0]): Batch {
  const { record: repository, head } = readRepository(session, input.repository);
  const { jobId, through, actor } = input;
  const batch: Batch = {
    id: makeId('batch', session.at),
    repositoryId: repository.id,
    jobId,
    through,
    fetchedAt: session.at,
  };
  const event = { actor, kind: 'batch.fetch', jobId, attemptId: null, data: withoutNulls(batch) };
  if (jobId === null) {
    const next = appendEvent(session, { ...event, subject: repository.id }, head);
    session.sql.run(`UPDATE ${REPOSITORIES.table} SET head = $1 WHERE id = $2`, next, repository.id);
  } else {
    const job = readJob(session, jobId);
    writeHead(session, job, appendEvent(session, { ...event, subject: jobId }, job.head));
  }
  insertRecord(session.sql, BATCHES, { record: batch, head: null });
  return batch;
}
