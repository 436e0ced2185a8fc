/**
 * A database nobody serves, read without opening it as a store: over a connection that cannot write, so that looking at
 * a damaged home leaves it as it was found. Only for who holds the home.
 */
import { DatabaseSync } from 'node:sqlite';
import { fail } from '../../kernel/errors.ts';
import type { Store, StoreCheck } from '../store.ts';
import { listAttempts } from './attempts.ts';
import { checkDatabase } from './check-deep.ts';
import { Counters } from './counters.ts';
import { listJobFiles } from './job-files.ts';
import { getJob, listJobs } from './jobs.ts';
import { listEvidence } from './ledger.ts';
import { loadMigrations, readSchemaVersion } from './migrate.ts';
import { listRepositories } from './repositories.ts';
import { Sql } from './sql.ts';

/** What can be read of a closed database. */
export interface ClosedStore extends Pick<
  Store,
  'getJob' | 'listJobs' | 'listAttempts' | 'listJobFiles' | 'listEvidence' | 'listRepositories'
> {
  /** Everything `checkDeep` checks, the witness included; keeps the calling thread busy. */
  check(): StoreCheck;
  close(): void;
}

/**
 * Opens the database at `path` for reading. Throws `store-corrupt`, `store-too-new`, and `home-unusable` for one that an
 * older version wrote: it is checked by the next start, which brings it to this version's schema.
 */
export function readClosedStore(path: string): ClosedStore {
  const database = new DatabaseSync(path, { readOnly: true, timeout: 5000 });
  try {
    const sql = new Sql(database);
    const known = loadMigrations().length;
    const version = readSchemaVersion(sql, path);
    if (version > known) throw fail('store-too-new', `${path} has schema ${version}; this version knows ${known}`);
    if (version < known)
      throw fail('home-unusable', `${path} has schema ${version}, older than ${known}: start a server`);
    const reader = { sql, counters: new Counters(sql) };
    return {
      check: () => checkDatabase(path, null),
      getJob: async (id) => getJob(reader, id),
      listJobs: async (query) => listJobs(reader, query),
      listAttempts: async (jobId) => listAttempts(reader, jobId),
      listJobFiles: async (jobId) => listJobFiles(reader, jobId),
      listEvidence: async (jobId) => listEvidence(reader, jobId),
      listRepositories: async () => listRepositories(reader),
      close: () => database.close(),
    };
  } catch (error) {
    database.close();
    throw error;
  }
}
