/** Backups, each on a chain of its own. */
import { fail } from '../../kernel/errors.ts';
import { BACKUP_TRANSITIONS, canMoveBackup, type Backup } from '../../lifecycle/backup.ts';
import type { CreationRequest } from '../../lifecycle/repository.ts';
import type { BackupMove, NewBackup } from '../backup-store.ts';
import { BACKUPS } from './backup-entity.ts';
import { makeId } from './ids.ts';
import { GENESIS, appendEvent } from './journal.ts';
import { insertRecord, toChained, toRecord, updateRecord, withoutNulls } from './records.ts';
import { findRepeated } from './requests.ts';
import type { Reader, Session } from './session.ts';

const SELECT = `SELECT ${BACKUPS.select} FROM backups`;
const MAX_LISTED = 200;

function chainOf(id: string, actor: string): { actor: string; subject: string; jobId: null; attemptId: null } {
  return { actor, subject: id, jobId: null, attemptId: null };
}

/** Returns what this request made before, or null; throws `idempotency-conflict`. */
export function findAskedBackup(reader: Reader, request: CreationRequest | null): Backup | null {
  return findRepeated(reader, BACKUPS, { request, name: ({ path }) => `the backup to ${path}` });
}

/** Records a backup that is about to be made, or finds the one of the same request; throws `state-conflict` while another is. */
export function intendBackup(session: Session, input: NewBackup): { backup: Backup; replayed: boolean } {
  const first = findAskedBackup(session, input.request ?? null);
  if (first !== null) return { backup: first, replayed: true };
  const open = session.sql.get(`${SELECT} WHERE state = 'making'`);
  if (open !== null) {
    const { path } = toRecord(BACKUPS, open);
    throw fail('state-conflict', `a backup is being made already, to ${path}`, { hint: 'Wait until it has ended.' });
  }
  const { path, actor } = input;
  const backup: Backup = {
    id: makeId('bak', session.at),
    path,
    state: 'making',
    actor,
    intendedAt: session.at,
    endedAt: null,
    files: null,
    bytes: null,
    lastSeq: null,
    manifestSha256: null,
    note: null,
    request: input.request ?? null,
  };
  const event = { ...chainOf(backup.id, actor), kind: 'backup.intend', data: withoutNulls(backup) };
  insertRecord(session.sql, BACKUPS, { record: backup, head: appendEvent(session, event, GENESIS) });
  return { backup, replayed: false };
}

/** Carries out a transition; throws `not-found`, `state-conflict`. */
export function moveBackup(session: Session, move: BackupMove): Backup {
  const row = session.sql.get(`${SELECT} WHERE id = $1`, move.id);
  if (row === null) throw fail('not-found', `there is no backup ${move.id}`);
  const { record, head } = toChained(BACKUPS, row);
  const { transition, actor, set = {} } = move;
  if (!canMoveBackup(record.state, transition)) {
    throw fail('state-conflict', `backup ${move.id} is ${record.state}`);
  }
  const changes = { ...set, state: BACKUP_TRANSITIONS[transition].to, endedAt: session.at };
  const event = { ...chainOf(move.id, actor), kind: `backup.${transition}`, data: changes };
  const guard = ` AND state = '${record.state}'`;
  const update = { key: move.id, changes, head: appendEvent(session, event, head), guard, fence: null };
  if (!updateRecord(session.sql, BACKUPS, update)) throw fail('internal', `backup ${move.id} did not change`);
  return { ...record, ...changes };
}

/** Returns a backup, or null. */
export function getBackup(reader: Reader, id: string): Backup | null {
  const row = reader.sql.get(`${SELECT} WHERE id = $1`, id);
  return row === null ? null : toRecord(BACKUPS, row);
}

/** Returns the newest backups, newest first. */
export function listBackups(reader: Reader): Backup[] {
  return reader.sql.all(`${SELECT} ORDER BY id DESC LIMIT $1`, MAX_LISTED).map((row) => toRecord(BACKUPS, row));
}

/**
 * The backup this home was restored from while that is news: no start but `boot` became ready after it. Told by the order of
 * the journal, because the clock of another machine says nothing.
 */
export function findFreshRestore(reader: Reader, boot: string): Backup | null {
  const row = reader.sql.get(
    `SELECT backups.id AS id, max(seq) AS seq FROM backups JOIN events ON subject = backups.id
     WHERE state = 'restored' GROUP BY backups.id ORDER BY seq DESC LIMIT 1`,
  );
  if (row === null) return null;
  const ready = reader.sql.get(
    `SELECT 1 FROM boots WHERE id <> $1 AND ready_at IS NOT NULL
     AND (SELECT min(seq) FROM events WHERE subject = boots.id) > $2`,
    boot,
    Number(row['seq']),
  );
  return ready === null ? getBackup(reader, String(row['id'])) : null;
}
