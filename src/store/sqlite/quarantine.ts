/** What was found damaged and is set aside. An item has a chain of its own: setting aside and releasing are on record. */
import { fail } from '../../kernel/errors.ts';
import type { Job } from '../../lifecycle/job.ts';
import type { NewQuarantine, QuarantineItem, QuarantineQuery } from '../quarantine-store.ts';
import type { Page } from '../store.ts';
import { QUARANTINE } from './entities.ts';
import { makeId } from './ids.ts';
import { carryOnWaiting, moveChainedJob } from './job-moves.ts';
import { readJob, toJob } from './jobs.ts';
import { GENESIS, appendEvent } from './journal.ts';
import { restoreCopy } from './others.ts';
import { insertRecord, toChained, toRecord, updateRecord, withoutNulls } from './records.ts';
import { restoreFromJournal } from './restore-row.ts';
import type { Reader, Session } from './session.ts';
import type { Value } from './sql.ts';

const MAX_PAGE = 200;
const DEFAULT_PAGE = 50;

function chainOf(item: QuarantineItem, actor: string) {
  // The item's own chain: the one of its job may be what is damaged.
  return { actor, subject: item.id, jobId: item.jobId, attemptId: null };
}

/** Sets aside what is not known yet; says of each what it is now. */
export function addQuarantine(
  session: Session,
  found: readonly NewQuarantine[],
  boot: string,
): { item: QuarantineItem; isNew: boolean }[] {
  return found.map((one) => {
    const known = session.sql.get(
      `SELECT ${QUARANTINE.select} FROM quarantine WHERE kind = $1 AND item = $2 AND (why = $3 OR released_at IS NULL)
       ORDER BY why = $3 DESC LIMIT 1`,
      one.kind,
      one.item,
      one.why,
    );
    if (known !== null) return { item: toRecord(QUARANTINE, known), isNew: false };
    const { kind, item, path, why, jobId } = one;
    const id = makeId('quar', session.at);
    const over = { releasedAt: null, releasedBy: null, resolution: null };
    const record: QuarantineItem = { id, kind, item, path, why, jobId, boot, foundAt: session.at, ...over };
    const event = { ...chainOf(record, boot), kind: 'quarantine.add', data: withoutNulls(record) };
    insertRecord(session.sql, QUARANTINE, { record, head: appendEvent(session, event, GENESIS) });
    return { item: record, isNew: true };
  });
}

/** Returns a page, oldest first. */
export function listQuarantine(reader: Reader, query: QuarantineQuery): Page<QuarantineItem> {
  const limit = Math.min(Math.max(1, Math.floor(query.limit ?? DEFAULT_PAGE)), MAX_PAGE);
  const values: Value[] = [];
  let where = query.released === true ? 'id > ' : 'released_at IS NULL AND id > ';
  values.push(query.cursor ?? '');
  where += '$1';
  if (query.jobId !== undefined) {
    values.push(query.jobId);
    where += ` AND job_id = $${values.length}`;
  }
  values.push(limit + 1);
  const rows = reader.sql.all(
    `SELECT ${QUARANTINE.select} FROM quarantine WHERE ${where} ORDER BY id LIMIT $${values.length}`,
    ...values,
  );
  const items = rows.slice(0, limit).map((row) => toRecord(QUARANTINE, row));
  return { items, nextCursor: rows.length > limit ? (items.at(-1)?.id ?? null) : null };
}

/** Returns an item, or null. */
export function getQuarantine(reader: Reader, id: string): QuarantineItem | null {
  const row = reader.sql.get(`SELECT ${QUARANTINE.select} FROM quarantine WHERE id = $1`, id);
  return row === null ? null : toRecord(QUARANTINE, row);
}

/** Items nobody has released. */
export function countQuarantine(reader: Reader): number {
  return Number(reader.sql.get('SELECT count(*) AS n FROM quarantine WHERE released_at IS NULL')?.['n'] ?? 0);
}

/** Nouns whose row can be written anew from its journal. */
const RESTORABLE = new Set([
  'job',
  'repository',
  'boot',
  'token',
  'account',
  'delivery',
  'target',
  'repair',
  'backup',
  'rotation',
]);

/** Does what the kind of an item allows and records who did it. Throws `not-found`. */
export function releaseQuarantine(session: Session, id: string, actor: string): QuarantineItem {
  const row = session.sql.get(`SELECT ${QUARANTINE.select} FROM quarantine WHERE id = $1`, id);
  if (row === null) throw fail('not-found', `nothing is quarantined under ${id}`);
  const { record, head } = toChained(QUARANTINE, row);
  if (record.releasedAt !== null) return record;
  const changes = { releasedAt: session.at, releasedBy: actor, resolution: resolve(session, record, actor) };
  const event = { ...chainOf(record, actor), kind: 'quarantine.release', data: changes };
  const update = { key: id, changes, head: appendEvent(session, event, head), guard: '', fence: null };
  if (!updateRecord(session.sql, QUARANTINE, update)) throw fail('internal', `${id} did not change`);
  return { ...record, ...changes };
}

function resolve(session: Session, item: QuarantineItem, actor: string): NonNullable<QuarantineItem['resolution']> {
  if (item.kind === 'counter') {
    session.counters.recount();
    return 'recounted';
  }
  if (item.kind === 'index') {
    restoreCopy(session.sql, item.item);
    carryOnWaiting(session, actor);
    return 'recounted';
  }
  if (!RESTORABLE.has(item.kind) || !restoreFromJournal(session, item.item)) return 'accepted';
  // While its row was damaged nobody told it of those it waits for.
  if (item.kind === 'job') carryOnWaiting(session, actor);
  return 'restored';
}

/** Puts a quarantined job back into the queue, its row first restored from its journal. */
export function releaseJob(session: Session, id: string, actor: string): Job {
  if (readJob(session, id).record.state !== 'quarantined') {
    throw fail('state-conflict', `job ${id} is ${readJob(session, id).record.state}, not quarantined`);
  }
  if (!restoreFromJournal(session, id)) {
    throw fail('record-corrupt', `the journal of job ${id} is damaged: what it was cannot be told any more`, {
      hint: 'Cancel it and submit it again; its files stay where they are.',
    });
  }
  const move = { id, transition: 'release', fence: null, actor } as const;
  return toJob(moveChainedJob(session, readJob(session, id), { move }).record);
}
