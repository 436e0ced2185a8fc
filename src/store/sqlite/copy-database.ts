/**
 * Copies of the database: made of one that is at work, checked, and read. A copy is never written to by the functions of
 * this file, and belongs to whoever made it; the database of a home is opened read-only.
 */
import { Worker } from 'node:worker_threads';
import { DatabaseSync } from 'node:sqlite';
import { createDurableSync } from '../../kernel/durable.ts';
import { fail, isError } from '../../kernel/errors.ts';
import { messageOf } from '../../kernel/result.ts';
import type { CopiedDatabase } from '../backup-store.ts';
import type { StoreCheck } from '../store.ts';
import { checkDatabase } from './check-deep.ts';
import { threadUrl } from './client.ts';
import { readLastEvent } from './journal.ts';
import { loadMigrations, readSchemaVersion } from './migrate.ts';
import { classify, Sql } from './sql.ts';
import { fromWire, type WireError } from './wire.ts';
import { Witness, witnessPath } from './witness.ts';

const BUSY_MS = 5000;

/** What a thread of `copy-worker.ts` is asked: `from` null checks the copy `to` instead of making it. */
export interface CopyRequest {
  from: string | null;
  to: string;
}

export type CopyAnswer = { copied: CopiedDatabase } | { check: StoreCheck } | { error: WireError };

/**
 * VACUUM INTO reads in one snapshot of the write-ahead log, so writers go on, and what comes out has no empty pages and
 * no log beside it. (The backup interface of node:sqlite starts over whenever another connection has written.)
 */
export function copyDatabase(from: string, to: string): CopiedDatabase {
  createDurableSync(to, '');
  const database = new DatabaseSync(from, { readOnly: true, timeout: BUSY_MS });
  try {
    database.prepare('VACUUM INTO ?').run(to);
  } catch (error) {
    const detail = `${to}: ${messageOf(error)}`;
    const failure = classify(error);
    if (failure === 'full') throw fail('storage-full', detail, { cause: error });
    if (failure === 'corrupt') throw fail('store-corrupt', `${from}: ${messageOf(error)}`, { cause: error });
    throw fail('storage-failed', detail, { cause: error });
  } finally {
    database.close();
  }
  return inspectCopy(to);
}

/** Returns what a copy is. Throws `store-corrupt`, and `store-too-new` for one of a newer Holdfast. */
export function inspectCopy(path: string): CopiedDatabase {
  try {
    const database = new DatabaseSync(path, { readOnly: true, timeout: BUSY_MS });
    try {
      const sql = new Sql(database);
      const schema = readSchemaVersion(sql, path);
      const known = loadMigrations().length;
      if (schema > known)
        throw fail('store-too-new', `${path} has schema ${schema}; this version knows up to ${known}`);
      if (schema === 0) throw fail('store-corrupt', `${path} is empty`);
      const last = readLastEvent(sql);
      return { schema, lastSeq: last.seq, lastHash: last.hash };
    } finally {
      database.close();
    }
  } catch (error) {
    if (isError(error)) throw error;
    throw fail('store-corrupt', `${path}: ${messageOf(error)}`, { cause: error });
  }
}

/** Replays all of a copy, in the thread that asks. A copy has no witness: what ends it is in its manifest. */
export function checkCopy(path: string): StoreCheck {
  return { ...checkDatabase(path, ''), witness: null };
}

/** Copies the database in a thread of its own; an abort ends it, and leaves the file for the caller to remove. */
export async function copyInThread(request: CopyRequest, signal: AbortSignal): Promise<CopiedDatabase> {
  const answer = await ask(request, signal);
  if ('copied' in answer) return answer.copied;
  throw 'error' in answer ? fromWire(answer.error) : fail('internal', 'a copy was answered with a check');
}

/** Checks a copy in a thread of its own. */
export async function checkCopyInThread(path: string, signal: AbortSignal): Promise<StoreCheck> {
  const answer = await ask({ from: null, to: path }, signal);
  if ('check' in answer) return answer.check;
  throw 'error' in answer ? fromWire(answer.error) : fail('internal', 'a check was answered with a copy');
}

async function ask(request: CopyRequest, signal: AbortSignal): Promise<CopyAnswer> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<CopyAnswer>();
  const worker = new Worker(threadUrl('copy-worker'), { workerData: request });
  const stop = (): void => void worker.terminate();
  signal.addEventListener('abort', stop, { once: true });
  worker.on('message', resolve);
  worker.on('error', reject);
  worker.on('exit', () => {
    signal.removeEventListener('abort', stop);
    reject(signal.aborted ? toError(signal.reason) : fail('storage-failed', 'the copy ended without a result'));
  });
  return promise;
}

function toError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(messageOf(reason));
}

/** Makes the witness of a copy that becomes the database of a home. The one beside it before, if any, is replaced. */
export function writeWitness(path: string): void {
  const { lastSeq, lastHash } = inspectCopy(path);
  Witness.open(witnessPath(path), { seq: lastSeq, hash: lastHash }, true).close();
}
