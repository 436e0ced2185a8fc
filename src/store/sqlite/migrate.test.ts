/** A crash between two migrations, or a home of an older Holdfast: every schema there ever was opens and becomes the newest. */
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { makeScratch } from './harness.fixture.ts';
import { loadMigrations, migrate, readSchemaVersion } from './migrate.ts';
import { closeDatabase, openDatabase } from './open.ts';
import { Sql } from './sql.ts';

const migrations = loadMigrations();

for (let done = 0; done <= migrations.length; done++) {
  test(`a database with ${done} of ${migrations.length} migrations is opened and brought up to date`, () => {
    using scratch = makeScratch();
    const database = new DatabaseSync(scratch.path);
    database.exec('PRAGMA journal_mode = WAL');
    migrate(new Sql(database), { from: 0, migrations: migrations.slice(0, done) });
    database.close();
    const store = openDatabase(scratch.path);
    assert.equal(readSchemaVersion(store.sql, scratch.path), migrations.length);
    closeDatabase(store);
  });
}
