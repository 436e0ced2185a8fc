import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { StoreHarness } from '../conformance/fixtures.ts';
import type { Store } from '../store.ts';
import { openSqliteStore, type SqliteStoreOptions } from './sqlite-store.ts';

/** A directory for one test, below `base`, removed by `dispose`. */
export function makeScratch(base = tmpdir()): { directory: string; path: string; [Symbol.dispose](): void } {
  const directory = mkdtempSync(join(base, 'holdfast-store-'));
  return {
    directory,
    path: join(directory, 'holdfast.db'),
    [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }),
  };
}

/** Starts a store that `await using` stops, also when the test fails: a running thread would keep the file from ending. */
export async function startStore(options: SqliteStoreOptions): Promise<Store & AsyncDisposable> {
  const store = openSqliteStore(options);
  await store.start();
  return Object.assign(store, { [Symbol.asyncDispose]: () => store.stop() });
}

/** Opens a started store in a directory of its own. A fatal error ends the test run. */
export async function openHarness(options: Partial<SqliteStoreOptions> = {}): Promise<StoreHarness> {
  const scratch = makeScratch();
  const open = async (): Promise<Store> => {
    const store = openSqliteStore({ path: scratch.path, ...options });
    await store.start();
    return store;
  };
  let store = await open();
  return {
    store,
    reopen: async () => {
      await store.stop();
      store = await open();
      return store;
    },
    cleanup: async () => {
      await store.stop();
      scratch[Symbol.dispose]();
    },
  };
}
