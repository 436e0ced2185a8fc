import { DatabaseSync } from 'node:sqlite';
import { sha256 } from '../../kernel/hash.ts';
import { loadMigrations, migrate } from './migrate.ts';
import { Sql } from './sql.ts';

/** Everything that defines a schema, by name. */
function readDefinitions(sql: Sql): Map<string, string> {
  const rows = sql.all('SELECT type, name, tbl_name, sql FROM sqlite_master');
  return new Map(rows.map((row) => [String(row['name']), JSON.stringify([row['type'], row['tbl_name'], row['sql']])]));
}

/**
 * What `hashSchema` gives for a database that today's migrations made: a start need not make one to compare with, which
 * takes as long as everything else it does to the database. schema.test.ts holds it to the migrations.
 */
const SCHEMA_SHA256 = '2ef124a984c5138227527a3c86d8fa22da7cab2dbd499e13544e381b524f9d3d';

/** Returns the hash of everything that defines the schema of a database. */
export function hashSchema(sql: Sql): string {
  return sha256(JSON.stringify([...readDefinitions(sql)].toSorted(([a], [b]) => (a < b ? -1 : 1))));
}

/**
 * Compares the schema of a database with what the migrations it had make, and the list of those; returns what differs,
 * in words. A flipped bit in a definition can switch a constraint off without any statement failing.
 */
export function compareSchema(sql: Sql): string[] {
  const applied = sql.all('SELECT number, name FROM migrations ORDER BY number');
  const migrations = loadMigrations().slice(0, applied.length);
  const faults: string[] = [];
  for (const [index, { number, name }] of migrations.entries()) {
    const row = applied[index];
    if (row?.['number'] !== number || row['name'] !== name) faults.push(`migration ${number} is not ${name} there`);
  }
  // Only one that differs, or has not had all of them, is compared piece by piece.
  if (hashSchema(sql) === SCHEMA_SHA256) return faults;
  const memory = new DatabaseSync(':memory:');
  try {
    const made = new Sql(memory);
    migrate(made, { from: 0, migrations });
    const [expected, found] = [readDefinitions(made), readDefinitions(sql)];
    for (const name of new Set([...expected.keys(), ...found.keys()])) {
      if (expected.get(name) !== found.get(name)) faults.push(`the definition of ${name} is not what migrations make`);
    }
  } finally {
    memory.close();
  }
  return faults;
}
