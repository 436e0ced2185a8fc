/** What a look for orphans needs of many rows at once, and the repairs, each on a chain of its own. */
import { fail } from '../../kernel/errors.ts';
import { REPAIR_TRANSITIONS, canMoveRepair, type Repair, type RepairTransition } from '../../lifecycle/orphan.ts';
import type { AttemptState, JobState } from '../../lifecycle/transitions.ts';
import type { JobOutline } from '../orphan-store.ts';
import { REPAIRS } from './entities.ts';
import { makeId } from './ids.ts';
import { GENESIS, appendEvent } from './journal.ts';
import { insertRecord, toChained, toRecord, updateRecord, withoutNulls } from './records.ts';
import type { Reader, Session } from './session.ts';

/** Most rows or ids of one call. */
const MAX = 1000;

/** Returns what a look needs of jobs, by id. */
export function listJobOutlines(reader: Reader, after: string, limit: number): JobOutline[] {
  const rows = reader.sql.all(
    `SELECT id, number, state, workspace_state, attempts, fence,
       (SELECT count(*) FROM evidence WHERE job_id = jobs.id) AS evidence
     FROM jobs WHERE id > $1 ORDER BY id LIMIT $2`,
    after,
    Math.min(Math.max(1, Math.floor(limit)), MAX),
  );
  return rows.map((row) => ({
    id: String(row['id']),
    number: Number(row['number']),
    state: row['state'] as JobState,
    workspaceState: row['workspace_state'] as JobOutline['workspaceState'],
    attempts: Number(row['attempts']),
    fence: Number(row['fence']),
    evidence: Number(row['evidence']),
  }));
}

/** Which of these ids are those of jobs. */
export function findJobIds(reader: Reader, ids: readonly string[]): string[] {
  const text = 'SELECT id FROM jobs WHERE id IN (SELECT value FROM json_each($1))';
  return reader.sql.all(text, toList(ids)).map((row) => String(row['id']));
}

/** Which of these ids were removed. */
export function findTombstones(reader: Reader, ids: readonly string[]): string[] {
  const text = 'SELECT subject FROM tombstones WHERE subject IN (SELECT value FROM json_each($1))';
  return reader.sql.all(text, toList(ids)).map((row) => String(row['subject']));
}

/** Returns attempts by id, with the state of their job. */
export function findAttempts(
  reader: Reader,
  ids: readonly string[],
): { id: string; jobId: string; state: AttemptState; jobState: JobState }[] {
  const rows = reader.sql.all(
    `SELECT attempts.id AS id, job_id, attempts.state AS state, jobs.state AS job_state
     FROM attempts JOIN jobs ON jobs.id = attempts.job_id
     WHERE attempts.id IN (SELECT value FROM json_each($1))`,
    toList(ids),
  );
  return rows.map((row) => ({
    id: String(row['id']),
    jobId: String(row['job_id']),
    state: row['state'] as AttemptState,
    jobState: row['job_state'] as JobState,
  }));
}

function toList(ids: readonly string[]): string {
  if (ids.length > MAX) throw fail('bad-request', `at most ${MAX} ids at once`);
  return JSON.stringify(ids);
}

/** Records what is about to be done about an orphan; an open repair of it is given again. */
export function intendRepair(
  session: Session,
  input: Pick<Repair, 'orphanId' | 'kind' | 'target' | 'action' | 'actor'>,
): Repair {
  const open = session.sql.get(
    `SELECT ${REPAIRS.select} FROM repairs WHERE orphan_id = $1 AND ended_at IS NULL`,
    input.orphanId,
  );
  if (open !== null) return toRecord(REPAIRS, open);
  const { orphanId, kind, target, action, actor } = input;
  const repair: Repair = {
    id: makeId('rep', session.at),
    orphanId,
    kind,
    target,
    action,
    state: 'intended',
    note: null,
    actor,
    intendedAt: session.at,
    endedAt: null,
  };
  const event = { ...chainOf(repair), kind: 'repair.intend', data: withoutNulls(repair) };
  insertRecord(session.sql, REPAIRS, { record: repair, head: appendEvent(session, event, GENESIS) });
  return repair;
}

function chainOf({ id, actor }: Repair): { actor: string; subject: string; jobId: null; attemptId: null } {
  return { actor, subject: id, jobId: null, attemptId: null };
}

/** Records how a repair ended; throws `not-found`, or `state-conflict` when it had ended. */
export function endRepair(
  session: Session,
  move: { id: string; transition: RepairTransition; note: string | null },
): Repair {
  const row = session.sql.get(`SELECT ${REPAIRS.select} FROM repairs WHERE id = $1`, move.id);
  if (row === null) throw fail('not-found', `there is no repair ${move.id}`);
  const { record, head } = toChained(REPAIRS, row);
  if (!canMoveRepair(record.state, move.transition)) {
    throw fail('state-conflict', `repair ${move.id} is ${record.state}`);
  }
  const changes = { state: REPAIR_TRANSITIONS[move.transition].to, note: move.note, endedAt: session.at };
  const event = { ...chainOf(record), kind: `repair.${move.transition}`, data: changes };
  const update = { key: move.id, changes, head: appendEvent(session, event, head), guard: '', fence: null };
  if (!updateRecord(session.sql, REPAIRS, update)) throw fail('internal', `repair ${move.id} did not change`);
  return { ...record, ...changes };
}

/** Returns repairs that were begun and not ended. */
export function listOpenRepairs(reader: Reader): Repair[] {
  const rows = reader.sql.all(`SELECT ${REPAIRS.select} FROM repairs WHERE ended_at IS NULL ORDER BY orphan_id`);
  return rows.map((row) => toRecord(REPAIRS, row));
}
