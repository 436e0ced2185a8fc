/** One connection: statements prepared once per text, values bound by position to `$1`, `$2`, … */
import { DatabaseSync, type SQLInputValue, type SQLOutputValue, type StatementSync } from 'node:sqlite';

export type Value = string | number | null;
export type Row = Record<string, SQLOutputValue>;

interface Prepared {
  statement: StatementSync;
  /** Reused for every call: binding copies the values at once. */
  named: Record<string, SQLInputValue>;
}

/** Texts come from code, never from callers; sets of patched columns are the only thing that varies. */
const MAX_STATEMENTS = 500;

export class Sql {
  readonly database: DatabaseSync;
  readonly #statements = new Map<string, Prepared>();

  constructor(database: DatabaseSync) {
    this.database = database;
  }

  /** Runs a statement; returns how many rows it changed. */
  run(text: string, ...values: Value[]): number {
    const { statement, named } = this.#prepare(text, values);
    return Number(statement.run(named).changes);
  }

  /** Returns the first row, or null. */
  get(text: string, ...values: Value[]): Row | null {
    const { statement, named } = this.#prepare(text, values);
    return statement.get(named) ?? null;
  }

  /** Returns every row. */
  all(text: string, ...values: Value[]): Row[] {
    const { statement, named } = this.#prepare(text, values);
    return statement.all(named);
  }

  /** Yields rows one by one, for results too large to hold. The text must not be running already. */
  iterate(text: string, ...values: Value[]): NodeJS.Iterator<Row> {
    const { statement, named } = this.#prepare(text, values);
    return statement.iterate(named);
  }

  #prepare(text: string, values: Value[]): Prepared {
    let prepared = this.#statements.get(text);
    if (prepared === undefined) {
      if (this.#statements.size >= MAX_STATEMENTS) this.#statements.clear();
      prepared = { statement: this.database.prepare(text), named: {} };
      this.#statements.set(text, prepared);
    }
    for (let i = 0; i < values.length; i++) prepared.named[NAMES[i] ?? `$${i + 1}`] = values[i] ?? null;
    return prepared;
  }
}

const NAMES = Array.from({ length: 64 }, (_, index) => `$${index + 1}`);

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
