/**
 * Group commit: up to `MAX_GROUP` requests in one transaction, so that one fsync serves them all, and one refusal spoils
 * none. Hardly a group has a refusal that comes after a write, so a group is first tried without savepoints; where one
 * has, it starts over with each request in its own. What cannot be told apart from success is never answered.
 */
import { fail } from '../../kernel/errors.ts';
import { failpoint } from '../../kernel/failpoints.ts';
import { messageOf } from '../../kernel/result.ts';
import type { JournalEvent } from '../store.ts';
import { readLastEvent } from './journal.ts';
import { carryOutWrite, type ReadContext } from './operations.ts';
import { mayBeRefusal, recordRefusedWrite } from './refusals.ts';
import type { Session } from './session.ts';
import { classify, type Failure } from './sql.ts';
import { toWire, type Answer, type Request } from './wire.ts';

/** Most requests of one transaction (design: 64); more would make the first of them wait too long. */
export const MAX_GROUP = 64;

/** The outcome is unknown: the process must end without answering. */
export class FatalError extends Error {
  override readonly name = 'FatalError';
}

/** A failure that takes the whole group back, with nothing kept of it. */
class GroupError extends Error {
  readonly failure: Failure;
  constructor(failure: Failure, cause: unknown) {
    super(messageOf(cause), { cause });
    this.failure = failure;
  }
}

/** Carries out a group; returns its answers and events, which are durable and witnessed. Throws `FatalError`. */
export function commitGroup(store: ReadContext, requests: Request[]): { answers: Answer[]; events: JournalEvent[] } {
  const { sql, counters, jobs, attempts } = store;
  const memory = { sql, counters, jobs, attempts };
  try {
    begin(store);
    const session: Session = { ...memory, inheritedThrough: store.inheritedThrough, at: 0, events: [] };
    const answers = tryWithoutSavepoints(store, session, requests) ?? startOver(store, session, requests);
    if (session.events.length === 0) store.sql.run('ROLLBACK');
    else commit(store, session);
    return { answers, events: session.events };
  } catch (error) {
    if (!(error instanceof GroupError))
      throw error instanceof FatalError ? error : new FatalError(messageOf(error), { cause: error });
    rollBack(store);
    const answer = toWire(refusalOf(error, store.path));
    return { answers: requests.map(([id]) => [id, false, answer]), events: [] };
  }
}

function refusalOf(error: GroupError, path: string): Error {
  if (error.failure === 'full') return fail('storage-full', `no space left for ${path}: ${error.message}`);
  if (error.failure === 'corrupt') return fail('store-corrupt', `${path}: ${error.message}`);
  return fail('storage-failed', `${path} is held by another process: ${error.message}`, { hint: BUSY_HINT });
}

/** The lock of the home keeps other servers away; what is left is one that lost it, or a tool. */
const BUSY_HINT =
  'A server of this home that was stopped in the middle of a write, or a program somebody opened the database with: continue or end it.';

/** Throws a `GroupError` for what leaves nothing behind, a `FatalError` for what may have. */
function escalate(error: unknown, failure: Failure): never {
  if (failure === 'io' || failure === 'request') throw new FatalError(messageOf(error), { cause: error });
  throw new GroupError(failure, error);
}

function begin(store: ReadContext): void {
  try {
    store.sql.run('BEGIN IMMEDIATE');
    const version = store.readDataVersion();
    // Somebody else wrote to this file: what memory knows of it is old.
    if (version !== store.dataVersion) {
      store.dataVersion = version;
      forget(store);
      store.inheritedThrough = store.counters.last('jobNumber');
      checkFence(store);
    }
  } catch (error) {
    if (error instanceof FatalError) throw error;
    escalate(error, classify(error));
  }
}

/**
 * A server that was stopped, lost the lock of its home (somebody deleted the file) and is continued finds a newer start
 * than its own: from there on it writes nothing and ends.
 */
function checkFence({ sql, boot, path }: ReadContext): void {
  if (boot === null) return;
  const newest = String(sql.get('SELECT id FROM boots ORDER BY number DESC LIMIT 1')?.['id']);
  if (newest !== boot)
    throw new FatalError(`another server has ${path} since then (boot ${newest}); this one is fenced`);
}

/** Returns the answers, or null when a refusal has to be undone. */
function tryWithoutSavepoints(store: ReadContext, session: Session, requests: Request[]): Answer[] | null {
  const answers: Answer[] = [];
  for (const request of requests) {
    const writesBefore = session.sql.writes;
    try {
      answers.push(carryOut(session, request));
    } catch (error) {
      checkRefusal(store, error);
      if (session.sql.writes !== writesBefore || mayBeRefusal(request[1], request[3], error)) return null;
      answers.push(refuse(session, request, { error, events: session.events.length }));
    }
  }
  return answers;
}

function startOver(store: ReadContext, session: Session, requests: Request[]): Answer[] {
  rollBack(store);
  session.events.length = 0;
  begin(store);
  return requests.map((request) => runInSavepoint(store, session, request));
}

function runInSavepoint(store: ReadContext, session: Session, request: Request): Answer {
  const { sql } = session;
  const events = session.events.length;
  try {
    sql.run('SAVEPOINT request');
    const answer = carryOut(session, request);
    sql.run('RELEASE request');
    return answer;
  } catch (error) {
    checkRefusal(store, error);
    undo(store, error);
    const answer = refuse(session, request, { error, events });
    if (mayBeRefusal(request[1], request[3], error)) keepRefusal(store, session, request);
    return answer;
  }
}

/** The result had no effect, and its refusal is on record when the caller is told; what cannot be recorded is refused still. */
function keepRefusal(store: ReadContext, session: Session, [, operation, at, args]: Request): void {
  const { sql } = session;
  const events = session.events.length;
  const memories = [session.counters, session.jobs, session.attempts];
  try {
    sql.run('SAVEPOINT request');
    session.at = at;
    for (const memory of memories) memory.mark();
    recordRefusedWrite(session, operation, args);
    sql.run('RELEASE request');
  } catch (error) {
    checkRefusal(store, error);
    undo(store, error);
    for (const memory of memories) memory.rollback();
    session.events.length = events;
  }
}

function carryOut(session: Session, [id, operation, at, args]: Request): Answer {
  session.at = at;
  for (const memory of [session.counters, session.jobs, session.attempts]) memory.mark();
  return [id, true, carryOutWrite(session, operation, args) ?? null];
}

/** Returns when the error concerns this request alone, with the transaction still open. */
function checkRefusal(store: ReadContext, error: unknown): void {
  const failure = classify(error);
  if (failure !== 'request') escalate(error, failure);
  // A full disk rolls back the whole transaction; the next statement would commit on its own.
  if (!store.sql.database.isTransaction) throw new FatalError(messageOf(error), { cause: error });
}

/** Forgets what memory kept of a request, and the events since it began. */
function refuse(session: Session, [id]: Request, { error, events }: { error: unknown; events: number }): Answer {
  for (const memory of [session.counters, session.jobs, session.attempts]) memory.rollback();
  session.events.length = events;
  return [id, false, toWire(error)];
}

function undo(store: ReadContext, cause: unknown): void {
  try {
    store.sql.run('ROLLBACK TO request');
    store.sql.run('RELEASE request');
  } catch (error) {
    const failure = classify(error);
    escalate(new Error(messageOf(error), { cause }), failure);
  }
}

function commit(store: ReadContext, session: Session): void {
  const last = session.events.at(-1);
  const startedAt = performance.now();
  try {
    store.counters.save();
    failpoint('store.before-commit');
    store.sql.run('COMMIT');
  } catch (error) {
    // A write that found no space leaves no commit record behind; every other failure may have.
    escalate(error, classify(error) === 'full' ? 'full' : 'io');
  }
  failpoint('store.after-commit');
  store.boot = session.events.findLast(({ kind }) => kind === 'boot.start')?.subject ?? store.boot;
  if (last !== undefined) store.witness?.write({ seq: last.seq, hash: last.hash });
  store.timings.add(performance.now() - startedAt);
}

function rollBack(store: ReadContext): void {
  try {
    if (store.sql.database.isTransaction) store.sql.run('ROLLBACK');
    forget(store);
    if (store.counters.last('seq') !== readLastEvent(store.sql).seq)
      throw new Error('the counters and the journal differ');
  } catch (error) {
    throw new FatalError(messageOf(error), { cause: error });
  }
}

/** Reads anew what memory knew of the database. */
function forget(store: ReadContext): void {
  store.counters.load();
  store.jobs.clear();
  store.attempts.clear();
}
