/** Starts of the server, the newest `KEPT_BOOTS` of them. */
import { fail } from '../../kernel/errors.ts';
import { KEPT_BOOTS } from '../../lifecycle/report.ts';
import type { Boot, Store } from '../store.ts';
import { tellOfCorruption, tellOfRecovery } from './deliveries.ts';
import { BOOTS, STORED_BOOTS, type StoredBoot } from './entities.ts';
import { checkPatch, insertRecord, pickChanges, toChained, toRecord, updateRecord, withoutNulls } from './records.ts';
import { GENESIS, appendEvent } from './journal.ts';
import type { Reader, Session } from './session.ts';
import { buryChain } from './tombstones.ts';

function chainOf(id: string): { actor: string; subject: string; jobId: null; attemptId: null } {
  return { actor: id, subject: id, jobId: null, attemptId: null };
}

/** Returns the kept starts, newest first. */
export function listBoots(reader: Reader): Boot[] {
  return reader.sql.all(`SELECT ${BOOTS.select} FROM boots ORDER BY number DESC`).map((row) => toRecord(BOOTS, row));
}

/** Records a start and drops the oldest beyond `KEPT_BOOTS`. */
export function recordBoot(session: Session, input: Omit<Boot, 'readyAt' | 'stoppedAt' | 'report'>): void {
  if (session.sql.get('SELECT 1 FROM boots WHERE id = $1', input.id) !== null) {
    throw fail('already-exists', `boot ${input.id} is recorded already`);
  }
  const number = session.counters.next('bootNumber');
  const boot: StoredBoot = { ...input, number, readyAt: null, stoppedAt: null, report: null };
  const event = { ...chainOf(boot.id), kind: 'boot.start', data: withoutNulls(boot) };
  insertRecord(session.sql, STORED_BOOTS, { record: boot, head: appendEvent(session, event, GENESIS) });
  const old = session.sql.all(`SELECT ${BOOTS.select} FROM boots ORDER BY number DESC LIMIT -1 OFFSET $1`, KEPT_BOOTS);
  for (const { record, head } of old.map((row) => toChained(BOOTS, row))) {
    const drop = { ...chainOf(record.id), actor: boot.id, kind: 'boot.remove', data: {} };
    buryChain(session, record.id, appendEvent(session, drop, head));
    session.sql.run('DELETE FROM boots WHERE id = $1', record.id);
  }
}

type TailOf<T extends unknown[]> = T extends [unknown, ...infer Tail] ? Tail : never;

const PATCHABLE = new Set(['readyAt', 'stoppedAt', 'report', 'previousStop']);

/** Changes a start; throws `not-found` for one that was dropped. */
export function updateBoot(
  session: Session,
  id: string,
  ...[patch, callbacks = []]: TailOf<Parameters<Store['updateBoot']>>
): void {
  const row = session.sql.get(`SELECT ${BOOTS.select} FROM boots WHERE id = $1`, id);
  if (row === null) throw fail('not-found', `there is no boot ${id}`);
  const { record, head } = toChained(BOOTS, row);
  const changes = pickChanges<Boot>(BOOTS, record, checkPatch(patch, PATCHABLE));
  if (changes === null) return;
  const event = { ...chainOf(id), kind: 'boot.update', data: changes };
  const update = { key: id, changes, head: appendEvent(session, event, head), guard: '', fence: null };
  if (!updateRecord(session.sql, BOOTS, update)) throw fail('internal', `boot ${id} did not change`);
  // Only the first report of a start is news.
  if (record.report === null && changes.report) tellOfRecovery(session, changes.report, callbacks);
  const isNewAlert = changes.report?.corruption.alert === true && record.report?.corruption.alert !== true;
  if (isNewAlert && changes.report) tellOfCorruption(session, changes.report, callbacks);
}
