/** The outbox's way out: what is due, within the room each host has. Its cost grows with unfinished deliveries only. */
import { MAX_DELIVERY_WAIT_MS, type Delivery } from '../../lifecycle/delivery.ts';
import { toIso } from '../../kernel/clock.ts';
import type { ClaimedDeliveries, DeliveryClaim, Store } from '../store.ts';
import { readDelivery, releaseLane, toDelivery, writeDelivery, type StoredDelivery } from './deliveries.ts';
import { DELIVERIES } from './entities.ts';
import type { Reader, Session } from './session.ts';
import { disabledSince } from './targets.ts';

/** Deliveries whose kept time is set anew in one go. */
const MAX_PULLED = 64;

/** Returns the hosts something is kept for, by jumping from one to the next in the index. */
function listHosts({ sql }: Reader): string[] {
  const rows = sql.all(
    `WITH RECURSIVE hosts (host) AS (
       SELECT (SELECT min(host) FROM deliveries WHERE next_at IS NOT NULL)
       UNION ALL
       SELECT (SELECT min(host) FROM deliveries WHERE next_at IS NOT NULL AND host > hosts.host) FROM hosts WHERE host IS NOT NULL
     ) SELECT host FROM hosts WHERE host IS NOT NULL`,
  );
  return rows.map((row) => String(row['host']));
}

/** A time further away than any wait can only come from a clock that was set back: such a delivery is due now. */
function pullBack(session: Session, actor: string): void {
  const far = session.sql.all(
    `SELECT ${DELIVERIES.select} FROM deliveries WHERE next_at IS NOT NULL AND next_at > $1 ORDER BY next_at LIMIT ${MAX_PULLED}`,
    session.at + MAX_DELIVERY_WAIT_MS,
  );
  for (const row of far) writeDelivery(session, toDelivery(row), { verb: 'due', actor, set: { nextAt: session.at } });
}

function listDue(session: Session, { max, perHost, busy }: DeliveryClaim): StoredDelivery[] {
  const due: StoredDelivery[] = [];
  for (const host of listHosts(session)) {
    const room = Math.min(max, perHost - (busy[host] ?? 0));
    if (room <= 0) continue;
    // A bound LIMIT would be planned anew each time, which takes longer than the query.
    const rows = session.sql.all(
      `SELECT ${DELIVERIES.select} FROM deliveries WHERE next_at IS NOT NULL AND host = $1 AND next_at <= $2
       ORDER BY next_at, number LIMIT ${Math.floor(room)}`,
      host,
      session.at,
    );
    due.push(...rows.map(toDelivery));
  }
  const order = (one: StoredDelivery): number => one.record.nextAt ?? 0;
  return due.toSorted((a, b) => order(a) - order(b) || a.record.number - b.record.number).slice(0, Math.floor(max));
}

/** Begins a try of every due delivery there is room for; what goes to a disabled url is given up instead. */
export function claimDeliveries(session: Session, claim: DeliveryClaim): ClaimedDeliveries {
  const { actor } = claim;
  const deliveries: Delivery[] = [];
  pullBack(session, actor);
  for (const one of claim.max >= 1 ? listDue(session, claim) : []) {
    const { url, tries, roundTries, redeliveries } = one.record;
    // Who redelivers wants to know whether it is there again.
    const since = redeliveries > 0 ? null : disabledSince(session, url);
    if (since === null) {
      const set = { tries: tries + 1, roundTries: roundTries + 1, nextAt: null };
      deliveries.push(writeDelivery(session, one, { verb: 'send', actor, set }).record);
      continue;
    }
    const lastError = `the target is disabled: it answered 410 (gone) at ${toIso(since)}`;
    const set = { nextAt: null, finishedAt: session.at, lastError };
    releaseLane(session, writeDelivery(session, one, { verb: 'refuse', actor, set }).record, actor);
  }
  const next = session.sql.get('SELECT min(next_at) AS at FROM deliveries WHERE next_at > $1', session.at);
  return { deliveries, nextAt: next === null || next['at'] === null ? null : Number(next['at']) };
}

/** Puts back what a dead server was sending, due at once, and counts what is unfinished. */
export function returnDeliveries(session: Session, actor: string): Awaited<ReturnType<Store['returnDeliveries']>> {
  const sending = session.sql.all(`SELECT id FROM deliveries WHERE state = 'sending' ORDER BY number`);
  for (const row of sending) {
    const delivery = readDelivery(session, String(row['id']));
    const set = { nextAt: session.at, roundTries: delivery.record.roundTries - 1 };
    writeDelivery(session, delivery, { verb: 'return', actor, set });
  }
  const { pending, retrying } = session.counters.deliveriesByState();
  return { returned: sending.length, pending: pending - sending.length, retrying };
}

/** Gives up what was not sent, newest first: no lane ever begins with one that has no time. Returns how many. */
export function keepBackDeliveries(
  session: Session,
  { why, limit, actor }: Parameters<Store['keepBackDeliveries']>[0],
): number {
  const open = session.sql.all(
    `SELECT id, number FROM deliveries WHERE finished_at IS NULL ORDER BY number DESC LIMIT ${Math.floor(limit)}`,
  );
  for (const row of open) {
    let delivery = readDelivery(session, String(row['id']));
    if (delivery.record.state === 'sending') {
      // The home it was copied from was sending it.
      delivery = writeDelivery(session, delivery, { verb: 'return', actor, set: { nextAt: session.at } });
    }
    const set = { nextAt: null, finishedAt: session.at, lastError: why };
    writeDelivery(session, delivery, { verb: 'refuse', actor, set });
  }
  return open.length;
}
