/** The store without its thread: what it asks of the database can then be looked at while the conformance suite runs. */
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { DatabaseSync } from 'node:sqlite';
import { fromWire, type Answer, type Operation } from './wire.ts';
import type { StoreHarness } from '../conformance/fixtures.ts';
import type { JournalEvent, Store } from '../store.ts';
import { checkDatabase } from './check-deep.ts';
import { copyInThread } from './copy-database.ts';
import { commitGroup } from './group-commit.ts';
import { makeScratch } from './harness.fixture.ts';
import { closeDatabase, openDatabase } from './open.ts';
import { carryOutRead, isWrite, type ReadContext } from './operations.ts';
import { scrubSlices } from './scrub.ts';
import { Sql } from './sql.ts';
import { Timings } from './stats.ts';

/** Where a directory costs no fsync. */
const MEMORY = '/dev/shm';

/** What a connection was asked. */
export interface AskedQuery {
  text: string;
  /** Lines of EXPLAIN QUERY PLAN. */
  plan: string[];
}

/** Notes every query that `body` prepares, once, with its plan. */
function noting<T>(noted: Map<string, AskedQuery>, body: () => T): T {
  const { prototype } = DatabaseSync;
  // oxlint-disable-next-line typescript/unbound-method -- called with the connection it is asked on
  const { prepare } = prototype;
  prototype.prepare = function (this: DatabaseSync, text) {
    if (!noted.has(text) && /^\s*(?:SELECT|WITH|UPDATE|DELETE)/.test(text)) {
      const rows = prepare.call(this, `EXPLAIN QUERY PLAN ${text}`).all();
      noted.set(text, { text, plan: rows.map((row) => String(row['detail'])) });
    }
    return prepare.call(this, text);
  };
  try {
    return body();
  } finally {
    prototype.prepare = prepare;
  }
}

/** Returns what opens stores of one thread each, which note their queries into `noted`; those of the checks of history apart. */
export function inOneThread(noted: Map<string, AskedQuery>): () => Promise<StoreHarness> {
  return () => {
    const scratch = makeScratch(existsSync(MEMORY) ? MEMORY : tmpdir());
    const open = (): { store: Store; close: () => void } => {
      const database = noting(noted, () => openDatabase(scratch.path));
      const context: ReadContext = { ...database, timings: new Timings() };
      // Nothing of it outlives the test.
      context.sql.database.exec('PRAGMA synchronous = OFF');
      return { store: makeStore(context, noted), close: () => closeDatabase(context) };
    };
    let opened = open();
    return Promise.resolve({
      store: opened.store,
      reopen: () => {
        opened.close();
        opened = open();
        return Promise.resolve(opened.store);
      },
      cleanup: () => {
        opened.close();
        scratch[Symbol.dispose]();
        return Promise.resolve();
      },
    });
  };
}

function makeStore(context: ReadContext, noted: Map<string, AskedQuery>): Store {
  const listeners = new Set<(events: JournalEvent[]) => void>();
  const carryOut = (operation: Operation, args: unknown[]): unknown => {
    if (!isWrite(operation)) return structuredClone(carryOutRead(context, operation, args)) ?? null;
    const { answers, events } = commitGroup(context, [[1, operation, Date.now(), args]]);
    for (const listener of listeners) listener(structuredClone(events));
    const [, ok, result] = answers[0] as Answer;
    if (ok) return structuredClone(result);
    throw fromWire(result);
  };
  const own: Partial<Store> = {
    onCommit: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    scrub: (onSlice, signal) => {
      const database = new DatabaseSync(context.path, { readOnly: true });
      try {
        for (const slice of scrubSlices(new Sql(database), context.path)) if (!signal.aborted) onSlice(slice);
      } finally {
        database.close();
      }
      return Promise.resolve();
    },
    copyDatabase: (path, signal) => copyInThread({ from: context.path, to: path }, signal),
    checkDeep: () => Promise.resolve(checkDatabase(context.path, context.complaint)),
  };
  return new Proxy(own, {
    get: (target, name) => {
      // Whoever awaits a store asks it for this.
      if (name === 'then') return undefined;
      return (
        Reflect.get(target, name) ??
        (async (...args: unknown[]) => noting(noted, () => carryOut(name as Operation, args)))
      );
    },
  }) as Store;
}
