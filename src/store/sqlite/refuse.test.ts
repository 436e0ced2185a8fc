/** Files the store must not touch: each is refused with its path, and every byte stays as it was. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  closeSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { ErrorCode } from '../../kernel/errors.ts';
import { isError } from '../../kernel/errors.ts';
import { sha256 } from '../../kernel/hash.ts';
import { accept, newRepository } from '../conformance/fixtures.ts';
import { openSqliteStore } from './sqlite-store.ts';
import { makeScratch, startStore } from './harness.fixture.ts';
import { witnessPath } from './witness.ts';

/** Makes a database with a few jobs, closed cleanly. */
async function fill(path: string, jobs = 20): Promise<void> {
  await using store = await startStore({ path });
  await store.addRepository(newRepository());
  await Promise.all(Array.from({ length: jobs }, (_, i) => accept(store, { prompt: `prompt ${i} `.repeat(50) })));
}

/** Runs SQL on a closed database. */
function alter(path: string, sql: string): void {
  const database = new DatabaseSync(path);
  database.exec(sql);
  database.close();
}

/** Hashes of everything that holds data; the shared-memory file and an empty log are what merely looking leaves. */
function snapshot(directory: string): Record<string, string> {
  const contents = readdirSync(directory)
    .filter((name) => !name.endsWith('-shm'))
    .map((name) => [name, readFileSync(join(directory, name))] as const);
  return Object.fromEntries(
    contents
      .filter(([name, body]) => body.length > 0 || !name.endsWith('-wal'))
      .map(([name, body]) => [name, sha256(body)]),
  );
}

async function isRefused(scratch: { directory: string; path: string }, code: ErrorCode, says: RegExp): Promise<void> {
  const before = snapshot(scratch.directory);
  const store = openSqliteStore({ path: scratch.path });
  try {
    await assert.rejects(store.start(), (error) => {
      assert.ok(isError(error, code), String(error));
      assert.ok(error.detail.includes(scratch.path), `it names the file: ${error.detail}`);
      assert.match(error.detail, says);
      return true;
    });
    await assert.rejects(store.getLastSeq());
  } finally {
    await store.stop();
  }
  assert.deepEqual(snapshot(scratch.directory), before, 'nothing in the directory has changed');
}

describe('sqlite store, refusing', () => {
  it('refuses a file that is no database', async () => {
    using scratch = makeScratch();
    writeFileSync(scratch.path, 'this is not a database, it is a text of more than a hundred bytes. '.repeat(100));
    await isRefused(scratch, 'store-corrupt', /not a database/);
  });

  it('refuses the database of another program', async () => {
    using scratch = makeScratch();
    alter(scratch.path, 'CREATE TABLE songs (title TEXT)');
    await isRefused(scratch, 'store-corrupt', /not one of Holdfast/);
  });

  it('refuses the schema of a newer version, also with a log left by a crash', async () => {
    using scratch = makeScratch();
    await fill(scratch.path);
    const writer = new DatabaseSync(scratch.path);
    writer.exec(`INSERT INTO migrations VALUES (999, 'from-the-future')`);
    const crashed = makeScratch();
    for (const name of readdirSync(scratch.directory)) {
      writeFileSync(join(crashed.directory, name), readFileSync(join(scratch.directory, name)));
    }
    rmSync(`${crashed.path}-shm`);
    assert.ok(statSync(`${crashed.path}-wal`).size > 0);
    await isRefused(crashed, 'store-too-new', /has schema 999/);
    writer.close();
    await isRefused(scratch, 'store-too-new', /has schema 999/);
    crashed[Symbol.dispose]();
  });

  it('refuses a truncated database', async () => {
    using scratch = makeScratch();
    await fill(scratch.path);
    truncateSync(scratch.path, Math.floor(statSync(scratch.path).size / 2));
    await isRefused(scratch, 'store-corrupt', /malformed/);
  });

  it('refuses damaged pages', async () => {
    using scratch = makeScratch();
    await fill(scratch.path);
    const fd = openSync(scratch.path, 'r+');
    for (let page = 3; page < 8; page++) writeSync(fd, Buffer.alloc(64, 0xff), 0, 64, page * 4096);
    closeSync(fd);
    await isRefused(scratch, 'store-corrupt', /.+/);
  });

  it('refuses damage in the small tables of a database too large to be checked at open', async () => {
    using scratch = makeScratch();
    await fill(scratch.path, 200);
    alter(scratch.path, `CREATE TABLE ballast (body BLOB); INSERT INTO ballast VALUES (zeroblob(${8 * 2 ** 20}))`);
    const page = new DatabaseSync(scratch.path);
    const root = Number(
      page.prepare(`SELECT rootpage FROM sqlite_master WHERE name = 'repositories'`).get()?.['rootpage'],
    );
    page.close();
    const fd = openSync(scratch.path, 'r+');
    writeSync(fd, Buffer.alloc(32, 0xee), 0, 32, (root - 1) * 4096 + 8);
    closeSync(fd);
    await isRefused(scratch, 'store-corrupt', /.+/);
  });

  it('refuses a journal that is shorter than its counter', async () => {
    using scratch = makeScratch();
    await fill(scratch.path);
    alter(scratch.path, 'DELETE FROM events WHERE seq = (SELECT max(seq) FROM events)');
    await isRefused(scratch, 'store-corrupt', /the journal ends at 20, its counter says 21/);
  });

  it('refuses to begin anew where a witness or a log is left', async () => {
    using scratch = makeScratch();
    await fill(scratch.path);
    renameSync(scratch.path, `${scratch.path}.away`);
    await isRefused(scratch, 'store-corrupt', /missing or empty, but its witness knows 21 events/);
    writeFileSync(scratch.path, '');
    await isRefused(scratch, 'store-corrupt', /missing or empty, but its witness/);
    rmSync(witnessPath(scratch.path));
    writeFileSync(`${scratch.path}-wal`, 'x'.repeat(100));
    await isRefused(scratch, 'store-corrupt', /but .*-wal is not/);
  });

  it('begins anew on an empty file nobody wrote to', async () => {
    using scratch = makeScratch();
    writeFileSync(scratch.path, '');
    await fill(scratch.path);
    assert.equal(statSync(scratch.path).size > 0, true);
  });

  it('makes files only their owner can read', async () => {
    using scratch = makeScratch();
    await fill(scratch.path, 1);
    for (const name of readdirSync(scratch.directory)) {
      assert.equal(statSync(join(scratch.directory, name)).mode & 0o077, 0, name);
    }
  });

  it('says so when there is no place for a database', async () => {
    using scratch = makeScratch();
    const store = openSqliteStore({ path: join(scratch.directory, 'missing', 'holdfast.db') });
    await assert.rejects(store.start(), (error) => isError(error, 'home-unusable'));
  });
});
