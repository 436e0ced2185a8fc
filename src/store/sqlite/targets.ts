/** Urls that answered 410: told by the row, enabled again when a redelivery gets through. */
import type { CallbackTarget, Delivery } from '../../lifecycle/delivery.ts';
import { TARGETS, type Chained } from './entities.ts';
import { makeId } from './ids.ts';
import { GENESIS, appendEvent } from './journal.ts';
import { insertRecord, toChained, updateRecord, withoutNulls } from './records.ts';
import type { Reader, Session } from './session.ts';

function readTarget(reader: Reader, url: string): Chained<CallbackTarget> | null {
  const row = reader.sql.get(`SELECT ${TARGETS.select} FROM callback_targets WHERE url = $1`, url);
  return row === null ? null : toChained(TARGETS, row);
}

/** Since when nothing is sent to an url any more; null when it may be sent to. */
export function disabledSince(reader: Reader, url: string): number | null {
  return readTarget(reader, url)?.record.disabledAt ?? null;
}

/** Disables the url of a delivery that was answered 410; no effect when it is disabled. */
export function disableTarget(session: Session, { id: deliveryId, url }: Delivery, actor: string): void {
  const known = readTarget(session, url);
  if (known !== null) {
    const changes = { disabledAt: session.at, deliveryId };
    if (known.record.disabledAt === null) changeTarget(session, known, { verb: 'disable', actor, changes });
    return;
  }
  const target: CallbackTarget = {
    id: makeId('tgt', session.at),
    url,
    disabledAt: session.at,
    deliveryId,
    version: 1,
  };
  const event = { actor, kind: 'target.disable', subject: target.id, jobId: null, attemptId: null };
  const head = appendEvent(session, { ...event, data: withoutNulls(target) }, GENESIS);
  insertRecord(session.sql, TARGETS, { record: target, head });
}

/** Enables an url again; no effect when it is not disabled. */
export function enableTarget(session: Session, url: string, actor: string): void {
  const known = readTarget(session, url);
  if (known === null || known.record.disabledAt === null) return;
  changeTarget(session, known, { verb: 'enable', actor, changes: { disabledAt: null } });
}

function changeTarget(
  session: Session,
  { record, head }: Chained<CallbackTarget>,
  change: { verb: 'enable' | 'disable'; actor: string; changes: Partial<CallbackTarget> },
): void {
  const changes = { ...change.changes, version: record.version + 1 };
  const event = {
    actor: change.actor,
    kind: `target.${change.verb}`,
    subject: record.id,
    jobId: null,
    attemptId: null,
  };
  const next = appendEvent(session, { ...event, data: changes }, head);
  updateRecord(session.sql, TARGETS, { key: record.id, changes, head: next, guard: '', fence: null });
}
