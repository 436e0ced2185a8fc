/**
 * Opens the database, or refuses without having changed a byte of it: a stranger's file, a damaged one, one of a newer
 * Holdfast, or an empty one where events were acknowledged. What is checked here does not grow with history.
 */
import { statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { createDurableSync, readIfExistsSync } from '../../kernel/durable.ts';
import { fail, isError, type HoldfastError } from '../../kernel/errors.ts';
import { sha256 } from '../../kernel/hash.ts';
import { errnoOf, messageOf } from '../../kernel/result.ts';
import { Counters } from './counters.ts';
import type { AttemptRecord, Chained, JobRecord } from './entities.ts';
import { readLastEvent } from './journal.ts';
import { loadMigrations, migrate, readSchemaVersion } from './migrate.ts';
import { RecordCache } from './record-cache.ts';
import { compareSchema } from './schema-check.ts';
import { Sql, classify } from './sql.ts';
import { readWitnessed } from './tombstones.ts';
import { Witness, inspectWitness, judgeWitness, witnessPath, type Mark } from './witness.ts';

/** How long to wait for another process that writes to the same file. */
const BUSY_MS = 5000;

/** Up to this size the whole file is checked at open (a few milliseconds); beyond it only the small tables are. */
const QUICK_CHECK_BYTES = 4 * 2 ** 20;

/** Tables that do not grow with history. */
const SMALL_TABLES = ['migrations', 'counters', 'repositories', 'locks', 'boots', 'tokens'];

/** A database that is open and fit for work. */
export interface OpenDatabase {
  readonly path: string;
  readonly sql: Sql;
  readonly counters: Counters;
  /** Which of them were wrong at open, in words. */
  readonly mended: string[];
  readonly jobs: RecordCache<Chained<JobRecord>>;
  readonly attempts: RecordCache<AttemptRecord>;
  /** Null while it contradicts the journal: it stays as evidence until a recovery report is recorded. */
  witness: Witness | null;
  /** What the witness found at open, or null. */
  readonly complaint: string | null;
  dataVersion: number;
  /** Number of the last job this connection did not write itself. */
  inheritedThrough: number;
  /** Start of a server that was recorded over this connection last; null before. */
  boot: string | null;
  /** Changes when another connection has committed. */
  readDataVersion(): number;
}

function sizeOf(path: string): number {
  try {
    return statSync(path).size;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return 0;
    throw error;
  }
}

/** Refuses to begin anew where there was a database; else makes the file, readable by its owner only. */
function prepareFile(path: string, marks: Mark[] | null): void {
  if (sizeOf(path) > 0) return;
  const seq = marks?.[0]?.seq ?? 0;
  if (seq > 0) throw fail('store-corrupt', `${path} is missing or empty, but its witness knows ${seq} events`);
  if (sizeOf(`${path}-wal`) > 0) throw fail('store-corrupt', `${path} is missing or empty, but ${path}-wal is not`);
  createDurableSync(path, '');
}

/** A database nobody has written a table into. */
const ONE_PAGE_BYTES = 4096;

/**
 * Ends what a crash left of the very first write, the switch to a write-ahead log: a rollback journal beside a database of
 * one page, which a connection that cannot write cannot take back. Only where nothing was ever acknowledged.
 */
function undoFirstWrite(path: string, marks: Mark[] | null): void {
  if (marks !== null || sizeOf(path) > ONE_PAGE_BYTES || sizeOf(`${path}-journal`) === 0) return;
  const database = new DatabaseSync(path, { timeout: BUSY_MS });
  try {
    database.prepare('PRAGMA user_version').get();
  } finally {
    database.close();
  }
}

/** Settings of the connection that keep an answer true after a power cut. */
function configure(database: DatabaseSync): void {
  const mode = database.prepare('PRAGMA journal_mode = WAL').get()?.['journal_mode'];
  if (mode !== 'wal') throw fail('home-unusable', `the database cannot use a write-ahead log here (${String(mode)})`);
  database.exec('PRAGMA synchronous = FULL');
  database.exec('PRAGMA foreign_keys = ON');
  database.exec('PRAGMA cell_size_check = ON');
  database.exec('PRAGMA trusted_schema = OFF');
  database.exec('PRAGMA temp_store = MEMORY');
  database.exec('PRAGMA cache_size = -16384');
  // Checkpoints are the worker's: by itself SQLite would run them inside COMMIT and swallow their errors.
  database.exec('PRAGMA wal_autocheckpoint = 0');
}

function checkFile(sql: Sql, path: string, marks: Mark[] | null): void {
  const pages = Number(sql.get('PRAGMA page_count')?.['page_count']);
  const pageBytes = Number(sql.get('PRAGMA page_size')?.['page_size']);
  const checks =
    pages * pageBytes <= QUICK_CHECK_BYTES
      ? ['PRAGMA quick_check(1)']
      : SMALL_TABLES.map((table) => `PRAGMA quick_check(${table})`);
  for (const check of checks) {
    const found = sql.get(check)?.['quick_check'];
    if (found !== 'ok') throw fail('store-corrupt', `${path}: ${String(found)}`);
  }
  const last = readLastEvent(sql);
  // By hand: the counters as memory keeps them may need columns that a migration has yet to add.
  const counted = Number(sql.get(`SELECT value FROM counters WHERE name = 'seq'`)?.['value'] ?? 0);
  // Two of three decide: where the witness knows the end of the journal, the counter is what is damaged, and is mended.
  const isWitnessed = marks?.[0]?.seq === last.seq && marks[0].hash === last.hash;
  if (last.seq !== counted && !isWitnessed) {
    throw fail('store-corrupt', `${path}: the journal ends at ${last.seq}, its counter says ${counted}`);
  }
  const [definition] = compareSchema(sql);
  if (definition !== undefined) throw fail('store-corrupt', `${path}: ${definition}`);
}

/**
 * Looks at an existing file over a connection that cannot write, not even when it closes, and throws what makes it unfit.
 * Returns what the witness finds.
 */
function inspectFile(path: string, seen: ReturnType<typeof inspectWitness>, known: number): string | null {
  const database = new DatabaseSync(path, { readOnly: true, timeout: BUSY_MS });
  try {
    const sql = new Sql(database);
    const version = readSchemaVersion(sql, path);
    if (version > known)
      throw fail('store-too-new', `${path} has schema ${version}; this version knows up to ${known}`);
    if (version === 0) return null;
    checkFile(sql, path, seen.marks);
    return seen.error ?? judgeWitness(seen.marks, readLastEvent(sql), (seq) => readWitnessed(sql, seq));
  } finally {
    database.close();
  }
}

/** Keeps the log that no longer holds what was acknowledged: the next writes go over it. No connection is open now. */
function keepEvidence(path: string, complaint: string): string {
  const log = readIfExistsSync(`${path}-wal`);
  if (log === null || log.length === 0) return complaint;
  const copy = `${path.replace(/\.db$/, '')}.lost-${sha256(log).slice(0, 12)}.wal`;
  createDurableSync(copy, log);
  return `${complaint} (the log as it was found is kept as ${copy})`;
}

/** Opens the database at `path`. Throws `store-corrupt`, `store-too-new`, `home-unusable` or `storage-full`. */
export function openDatabase(path: string): OpenDatabase {
  let database: DatabaseSync | null = null;
  try {
    const migrations = loadMigrations();
    const seen = inspectWitness(witnessPath(path));
    prepareFile(path, seen.marks);
    undoFirstWrite(path, seen.marks);
    const found = sizeOf(path) > 0 ? inspectFile(path, seen, migrations.length) : null;
    const complaint = found === null ? null : keepEvidence(path, found);
    database = new DatabaseSync(path, { timeout: BUSY_MS });
    const sql = new Sql(database);
    configure(database);
    migrate(sql, { from: readSchemaVersion(sql, path), migrations });
    return assemble(sql, path, complaint);
  } catch (error) {
    database?.close();
    throw explain(error, path);
  }
}

function assemble(sql: Sql, path: string, complaint: string | null): OpenDatabase {
  const caches = { jobs: new RecordCache<Chained<JobRecord>>(), attempts: new RecordCache<AttemptRecord>() };
  const counters = new Counters(sql);
  // Before the last number is read: it may be one of those that lie.
  const mended = counters.heal(readLastEvent(sql).seq);
  const readDataVersion = (): number => Number(sql.get('PRAGMA data_version')?.['data_version']);
  return {
    path,
    sql,
    counters,
    mended,
    inheritedThrough: counters.last('jobNumber'),
    ...caches,
    witness: complaint === null ? Witness.open(witnessPath(path), readLastEvent(sql), false) : null,
    complaint,
    dataVersion: readDataVersion(),
    boot: null,
    readDataVersion,
  };
}

function explain(error: unknown, path: string): HoldfastError {
  if (isError(error)) return error;
  const detail = `${path}: ${messageOf(error)}`;
  const failure = classify(error);
  if (failure === 'corrupt') return fail('store-corrupt', detail, { cause: error });
  if (failure === 'full') return fail('storage-full', detail, { cause: error });
  if (failure === 'busy') return fail('home-held', `${detail}; another process writes to it`, { cause: error });
  return fail('home-unusable', detail, { cause: error });
}

/** Accepts what is in the journal as the truth from here on: renews a witness that was left as evidence. */
export function renewWitness(store: OpenDatabase): void {
  if (store.witness !== null) return;
  store.witness = Witness.open(witnessPath(store.path), readLastEvent(store.sql), true);
}

/** Closes everything; the last connection moves the write-ahead log into the database. */
export function closeDatabase(store: OpenDatabase): void {
  store.witness?.close();
  store.sql.database.close();
}
