/** Numbered migrations: files `0001-name.sql` beside this one, each carried out once, in one transaction. */
import { readFileSync, readdirSync } from 'node:fs';
import { fail } from '../../kernel/errors.ts';
import type { Sql } from './sql.ts';

export interface Migration {
  number: number;
  name: string;
  text: string;
}

/** Reads the migrations this version knows, in order. Throws when a number is missing or doubled. */
export function loadMigrations(directory: URL = new URL('./migrations/', import.meta.url)): Migration[] {
  const migrations = readdirSync(directory)
    .filter((file) => file.endsWith('.sql'))
    .toSorted()
    .map((file) => {
      const [, number, name] = /^(\d{4})-([a-z0-9-]+)\.sql$/.exec(file) ?? [];
      if (number === undefined || name === undefined) throw new Error(`${file} is not named like 0001-name.sql`);
      return { number: Number(number), name, text: readFileSync(new URL(file, directory), 'utf8') };
    });
  if (migrations.length === 0) throw new Error(`no migrations in ${directory.pathname}`);
  for (const [index, { number }] of migrations.entries()) {
    if (number !== index + 1) throw new Error(`migration ${index + 1} is missing or doubled`);
  }
  return migrations;
}

/** Number of the newest migration this database has had; 0 for an empty one. Throws `store-corrupt` for a stranger's. */
export function readSchemaVersion(sql: Sql, path: string): number {
  const tables = sql.all(`SELECT name FROM sqlite_master WHERE type = 'table'`).map((row) => String(row['name']));
  if (tables.length === 0) return 0;
  if (!tables.includes('migrations')) throw fail('store-corrupt', `${path} is a database, but not one of Holdfast`);
  return Number(sql.get('SELECT max(number) AS version FROM migrations')?.['version'] ?? 0);
}

/** Brings a database at schema `from` to the newest one. */
export function migrate(sql: Sql, options: { from: number; migrations: Migration[] }): void {
  const { from, migrations } = options;
  // A new database has all of them or none: each commit waits for the disk, and nobody needs what is between.
  const groups = from === 0 ? [migrations] : migrations.slice(from).map((one) => [one]);
  for (const group of groups) apply(sql, group);
}

/** The migration that takes the column `applied_at` away. */
const UNDATED = 22;

/** Applies migrations in one transaction. */
function apply(sql: Sql, group: readonly Migration[]): void {
  // A table that is rebuilt is dropped while others refer to it: the references are checked as a whole before the commit.
  const rebuilds = group.some(({ text }) => /^DROP TABLE /m.test(text));
  if (rebuilds) sql.run('PRAGMA foreign_keys = OFF');
  sql.run('BEGIN IMMEDIATE');
  try {
    for (const { number, name, text } of group) {
      sql.database.exec(text);
      const columns =
        number < UNDATED ? '(number, name, applied_at) VALUES ($1, $2, 0)' : '(number, name) VALUES ($1, $2)';
      sql.run(`INSERT INTO migrations ${columns}`, number, name);
    }
    if (rebuilds) checkReferences(sql);
    sql.run('COMMIT');
  } catch (error) {
    if (sql.database.isTransaction) sql.run('ROLLBACK');
    throw error;
  } finally {
    if (rebuilds) sql.run('PRAGMA foreign_keys = ON');
  }
}

function checkReferences(sql: Sql): void {
  const [broken] = sql.all('PRAGMA foreign_key_check');
  if (broken === undefined) return;
  throw fail(
    'store-corrupt',
    `a row of ${String(broken['table'])} refers to one of ${String(broken['parent'])} that is not there`,
  );
}
