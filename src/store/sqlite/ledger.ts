/** The ledger of a job: what is in it is never changed. Its events belong to the chain of the job. */
import { fail } from '../../kernel/errors.ts';
import type { EvidenceRecord, GateRecord } from '../../lifecycle/stage.ts';
import type { NewEvidence, NewGate, StageResults } from '../ledger-store.ts';
import type { Chained, JobRecord } from './entities.ts';
import { appendEvent } from './journal.ts';
import { EVIDENCE, GATES } from './ledger-entities.ts';
import { appendRefusal } from './refusals.ts';
import { insertRecord, toRecord, withoutNulls } from './records.ts';
import type { Reader, Session } from './session.ts';

/** Returns the results of a job, oldest first. */
export function listGates(reader: Reader, jobId: string): GateRecord[] {
  return reader.sql
    .all(`SELECT ${GATES.select} FROM gates WHERE job_id = $1 ORDER BY epoch, recorded_at, id`, jobId)
    .map((row) => toRecord(GATES, row));
}

/** Returns the evidence of a job, oldest first. */
export function listEvidence(reader: Reader, jobId: string): EvidenceRecord[] {
  return reader.sql
    .all(`SELECT ${EVIDENCE.select} FROM evidence WHERE job_id = $1 ORDER BY recorded_at, id`, jobId)
    .map((row) => toRecord(EVIDENCE, row));
}

/**
 * Records what a stage produced in the epoch the job is in; returns the job with the new end of its chain, which the
 * caller writes with what it changes of the job. Throws `state-conflict` for a second result of a gate in one epoch.
 */
export function recordResults(
  session: Session,
  job: Chained<JobRecord>,
  { results, actor }: { results: StageResults; actor: string },
): Chained<JobRecord> {
  let { head } = job;
  for (const item of results.evidence) head = recordEvidence(session, { record: job.record, head }, { item, actor });
  if (results.gate !== null) head = recordGate(session, { record: job.record, head }, { gate: results.gate, actor });
  const { refused = null } = results;
  if (refused !== null) {
    const refusal = { ...refused, of: String(refused.attempt), result: 'verdict' as const, fence: null };
    const verdict = { refusal: { ...refusal, epoch: job.record.epoch }, actor };
    head = appendRefusal(session, { record: job.record, head }, verdict);
  }
  return { record: job.record, head };
}

function recordEvidence(session: Session, job: Chained<JobRecord>, what: { item: NewEvidence; actor: string }): string {
  const { item, actor } = what;
  const id = `${job.record.id}/${item.sha256}/${item.kind}`;
  // The same bytes of the same kind are the same evidence, whoever produced them again.
  if (session.sql.get('SELECT 1 FROM evidence WHERE id = $1', id) !== null) return job.head;
  const { id: jobId, epoch } = job.record;
  const record: EvidenceRecord = { ...item, id, jobId, epoch, recordedAt: session.at };
  const head = append(session, job, { kind: 'evidence.record', data: withoutNulls(record), actor });
  insertRecord(session.sql, EVIDENCE, { record, head: null });
  return head;
}

function recordGate(session: Session, job: Chained<JobRecord>, what: { gate: NewGate; actor: string }): string {
  const { gate, actor } = what;
  const { id: jobId, epoch, number } = job.record;
  const id = `${jobId}/${epoch}/${gate.gate}`;
  // A merge that failed is tried again in the same epoch: each try has a result of its own.
  const key = gate.stage === 'merge' ? `${id}/${countTries(session, jobId, { epoch, gate: gate.gate }) + 1}` : id;
  if (session.sql.get('SELECT 1 FROM gates WHERE id = $1', key) !== null) {
    throw fail('state-conflict', `gate ${gate.gate} of job ${number} has a result in epoch ${epoch}`);
  }
  const record: GateRecord = { ...gate, summary: gate.summary ?? null, id: key, jobId, epoch, recordedAt: session.at };
  const head = append(session, job, { kind: 'gate.record', data: withoutNulls(record), actor });
  insertRecord(session.sql, GATES, { record, head: null });
  return head;
}

function countTries(session: Session, jobId: string, { epoch, gate }: { epoch: number; gate: string }): number {
  const text = 'SELECT count(*) AS n FROM gates WHERE job_id = $1 AND epoch = $2 AND gate = $3';
  return Number(session.sql.get(text, jobId, epoch, gate)?.['n'] ?? 0);
}

function append(
  session: Session,
  job: Chained<JobRecord>,
  { kind, data, actor }: { kind: string; data: object; actor: string },
): string {
  const { id } = job.record;
  return appendEvent(session, { actor, kind, subject: id, jobId: id, attemptId: null, data }, job.head);
}
