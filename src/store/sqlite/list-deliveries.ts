/** Reads of deliveries. Every list is paged by an index. */
import { fail } from '../../kernel/errors.ts';
import type { Delivery } from '../../lifecycle/delivery.ts';
import type { DeliveryQuery, Page, Store } from '../store.ts';
import { toDelivery } from './deliveries.ts';
import { DELIVERIES } from './entities.ts';
import type { Reader } from './session.ts';
import type { Value } from './sql.ts';

const MAX_PAGE = 200;
const DEFAULT_PAGE = 50;

/** Returns a delivery by id, or null. */
export function getDelivery(reader: Reader, id: string): Delivery | null {
  const row = reader.sql.get(`SELECT ${DELIVERIES.select} FROM deliveries WHERE id = $1`, id);
  return row === null ? null : toDelivery(row).record;
}

/** Returns a page of deliveries, newest first. */
export function listDeliveries(reader: Reader, query: DeliveryQuery): Page<Delivery> {
  const limit = Math.min(Math.max(1, Math.floor(query.limit ?? DEFAULT_PAGE)), MAX_PAGE);
  const conditions: string[] = [];
  const values: Value[] = [];
  const add = (condition: string, value: Value): void => {
    values.push(value);
    conditions.push(`${condition} $${values.length}`);
  };
  if (query.state !== undefined) {
    // A literal names the partial index of this state.
    conditions.push(query.state === 'failed' ? `state = 'failed'` : `state = '${checkState(query.state)}'`);
    if (query.state !== 'sent' && query.state !== 'failed') conditions.push('finished_at IS NULL');
  }
  if (query.jobId !== undefined) add('job_id =', query.jobId);
  if (query.cursor !== undefined) add('number <', decodeCursor(query.cursor));
  const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`;
  const rows = reader.sql.all(
    `SELECT ${DELIVERIES.select} FROM deliveries ${where} ORDER BY number DESC LIMIT ${limit + 1}`,
    ...values,
  );
  const items = rows.slice(0, limit).map((row) => toDelivery(row).record);
  const last = items.at(-1);
  return { items, nextCursor: rows.length > limit && last !== undefined ? String(last.number) : null };
}

function checkState(state: string): string {
  if (!/^[a-z]+$/.test(state)) throw fail('bad-request', `"${state}" is no state of a delivery`);
  return state;
}

function decodeCursor(cursor: string): number {
  const number = Number(cursor);
  if (!Number.isSafeInteger(number) || number < 1) throw fail('bad-request', 'the cursor is not one of ours');
  return number;
}

/** Returns how many deliveries each state holds, and since when the oldest unfinished one waits. */
export function deliveryStats(reader: Reader): Awaited<ReturnType<Store['deliveryStats']>> {
  const row = reader.sql.get('SELECT created_at FROM deliveries WHERE finished_at IS NULL ORDER BY number LIMIT 1');
  return {
    byState: reader.counters.deliveriesByState(),
    oldestUnfinishedAt: row === null ? null : Number(row['created_at']),
  };
}
