/** One connection: statements prepared once per text, values bound by position to `$1`, `$2`, … */
import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite';
import { errnoOf } from '../../kernel/result.ts';

export type Value = string | number | null;
export type Row = Record<string, SQLOutputValue>;

/** Texts come from code, never from callers; sets of patched columns are the only thing that varies. */
const MAX_STATEMENTS = 500;

export class Sql {
  readonly database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  /** Statements run so far that may have changed something. */
  writes = 0;

  constructor(database: DatabaseSync) {
    this.database = database;
  }

  /** Runs a statement; returns how many rows it changed. */
  run(text: string, ...values: Value[]): number {
    this.writes++;
    return Number(this.#prepare(text).run(...values).changes);
  }

  /** Returns the first row, or null. */
  get(text: string, ...values: Value[]): Row | null {
    const statement = this.#prepare(text);
    return readSafely(statement, () => statement.get(...values)) ?? null;
  }

  /** Returns every row. */
  all(text: string, ...values: Value[]): Row[] {
    const statement = this.#prepare(text);
    return readSafely(statement, () => statement.all(...values));
  }

  /** Yields rows one by one, for results too large to hold. */
  iterate(text: string, ...values: Value[]): NodeJS.Iterator<Row> {
    return this.database.prepare(toPositional(text)).iterate(...values);
  }

  #prepare(text: string): StatementSync {
    let statement = this.#statements.get(text);
    if (statement === undefined) {
      if (this.#statements.size >= MAX_STATEMENTS) this.#statements.clear();
      statement = this.database.prepare(toPositional(text));
      this.#statements.set(text, statement);
    }
    return statement;
  }
}

/**
 * `$1` → `?`, or `?1` where the parameters do not come in their order: node:sqlite searches names linearly for each value,
 * which makes forty of them cost more than the statement.
 */
function toPositional(text: string): string {
  const numbers = [...text.matchAll(/\$(\d+)/g)].map(([, number]) => Number(number));
  const isInOrder = numbers.every((number, index) => number === index + 1);
  return text.replaceAll(/\$(\d+)/g, isInOrder ? '?' : '?$1');
}

function clamp(value: bigint): number {
  const limit = BigInt(Number.MAX_SAFE_INTEGER);
  return Number(value > limit ? limit : value < -limit ? -limit : value);
}

/**
 * Reads again with large integers when a value does not fit a number: we write none such, so it is damage, and the rows
 * beside it must stay readable. What comes back is the largest number we write; the checks tell that it is wrong.
 */
function readSafely<T extends Row | Row[] | undefined>(statement: StatementSync, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (errnoOf(error) !== 'ERR_OUT_OF_RANGE') throw error;
    statement.setReadBigInts(true);
    try {
      const found = read();
      for (const row of Array.isArray(found) ? found : [found ?? {}]) {
        for (const [name, value] of Object.entries(row)) {
          if (typeof value === 'bigint') row[name] = clamp(value);
        }
      }
      return found;
    } finally {
      statement.setReadBigInts(false);
    }
  }
}

/** Returns `'a', 'b'` for an IN list of constants of ours. */
export function listLiterals(values: readonly string[]): string {
  return values.map((value) => `'${value}'`).join(', ');
}

const PRIMARY = { CORRUPT: 11, FULL: 13, NOTADB: 26 } as const;

/** Primary result code of an SQLite error, or null for any other error. */
function resultCode(error: unknown): number | null {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return null;
  return error.errcode & 0xff;
}

/** What an error of a statement means for the group it happened in. */
export type Failure = 'request' | 'full' | 'corrupt' | 'busy' | 'io';

/** I/O errors, and everything about the file we cannot explain, leave the outcome unknown. */
const IO_CODES = new Set([7, 8, 10, 14, 15, 22]);
const BUSY_CODES = new Set([5, 6]);

/** Classifies an error; anything that is not SQLite's and no system error belongs to the one request. */
export function classify(error: unknown): Failure {
  const code = resultCode(error);
  if (code === null) {
    const errno = error instanceof Error && 'code' in error ? error.code : null;
    if (errno === 'ENOSPC' || errno === 'EDQUOT') return 'full';
    return errno === 'EIO' || errno === 'EROFS' || errno === 'EBADF' ? 'io' : 'request';
  }
  if (code === PRIMARY.FULL) return 'full';
  if (code === PRIMARY.CORRUPT || code === PRIMARY.NOTADB) return 'corrupt';
  if (BUSY_CODES.has(code)) return 'busy';
  return IO_CODES.has(code) ? 'io' : 'request';
}
