import { DatabaseSync } from 'node:sqlite';
import { loadMigrations, migrate } from './migrate.ts';
import { Sql } from './sql.ts';

/** Everything that defines a schema, by name. */
function readDefinitions(sql: Sql): Map<string, string> {
  const rows = sql.all('SELECT type, name, tbl_name, sql FROM sqlite_master');
  return new Map(rows.map((row) => [String(row['name']), JSON.stringify([row['type'], row['tbl_name'], row['sql']])]));
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
