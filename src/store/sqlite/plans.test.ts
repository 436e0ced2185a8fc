/**
 * Nothing that a caller or a start waits for may read a table that grows with history from end to end: every query that
 * the conformance suite makes the store ask is held against its plan.
 */
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { before, describe, it } from 'node:test';
import { DELIVERY_STATES } from '../../lifecycle/delivery.ts';
import { JOB_STATES } from '../../lifecycle/transitions.ts';
import { runStoreSuite } from '../store.testsuite.ts';
import type { JobQuery } from '../store.ts';
import { loadMigrations, migrate } from './migrate.ts';
import { inOneThread, type AskedQuery } from './one-thread.fixture.ts';
import { Sql } from './sql.ts';

/** Tables that stay small: what an operator registers, the starts that are kept, and our own bookkeeping. */
const SMALL = ['repositories', 'locks', 'boots', 'tokens', 'accounts', 'counters', 'migrations', 'sqlite_master'];

/** Partial indexes of work that is not over: they grow with that alone. */
const LIVE = [
  'attempts_live',
  'deliveries_due',
  'deliveries_host',
  'deliveries_open',
  'deliveries_sending',
  'jobs_active',
  'jobs_claimable',
  'jobs_live',
  'jobs_queue',
  'jobs_retiring',
  'jobs_slots',
  'jobs_surface_held',
  'jobs_surface_line',
  'quarantine_open',
  'resources_open',
  'targets_disabled',
  'tombstones_uncleared',
];

/** Queries that may read history, each with the reason. */
const ALLOWED = new Map([
  [
    'SELECT 1 FROM tombstones WHERE first_seq <= $1 AND last_seq >= $1 LIMIT 1',
    'once at a start, and only where the last witnessed event went with a removed job',
  ],
]);

/** Conditions of a query, in the words of its text. */
function conditionsOf(text: string): string[] {
  const where = /\bWHERE\b(.*?)(?:\bORDER BY\b|\bGROUP BY\b|\bLIMIT\b|$)/s.exec(text)?.[1];
  return where === undefined ? [] : where.split(/\bAND\b/).map((condition) => condition.trim());
}

/** What is wrong with one line of the plan of a query, or null. */
function judgeLine(text: string, line: string, tables: ReadonlySet<string>): string | null {
  const isPage = /\bLIMIT\b/.test(text);
  const [, name = '', index = null] = /^SCAN (\w+)(?: USING (?:COVERING )?INDEX (\w+))?/.exec(line) ?? [];
  const table = new RegExp(`\\b(\\w+) AS ${name}\\b`).exec(text)?.[1] ?? name;
  if (name !== '' && tables.has(table) && !SMALL.includes(table)) {
    if (index !== null && LIVE.includes(index)) return null;
    // Page after page of the table itself, or of a partial index that holds just what is asked for.
    const isPaged = isPage && (index === null ? conditionsOf(text).length === 0 : conditionsOf(text).length <= 1);
    return isPaged ? null : 'reads all of it';
  }
  if (/ USING INTEGER PRIMARY KEY \(rowid[<>]/.test(line)) {
    return isPage && conditionsOf(text).length === 1 ? null : 'passes over what does not match';
  }
  if (/ USING (?:COVERING )?INDEX jobs_repository \(/.test(line) && /\bstate =/.test(text)) {
    return 'passes over the jobs of other states';
  }
  return null;
}

/** Every query that reads history, with the line of its plan that does. */
function findScans(queries: Iterable<AskedQuery>): string[] {
  const sql = new Sql(new DatabaseSync(':memory:'));
  migrate(sql, { from: 0, migrations: loadMigrations() });
  const rows = sql.all("SELECT name FROM sqlite_master WHERE type = 'table'");
  const tables = new Set(rows.map((row) => String(row['name'])));
  const allowed = new Set([...ALLOWED.keys()].map((text) => text.replaceAll(/\$\d/g, '?')));
  return [...queries].flatMap(({ text, plan }) => {
    if (allowed.has(text.replaceAll(/\?\d/g, '?'))) return [];
    return plan.flatMap((line) => {
      const why = judgeLine(text, line, tables);
      return why === null
        ? []
        : [`${why}: ${line}\n  ${text.replaceAll(/\s+/g, ' ').replace(/SELECT (?:\w+, ){4,}\w+/, 'SELECT …')}`];
    });
  });
}

const noted = new Map<string, AskedQuery>();
const open = inOneThread(noted);
runStoreSuite('sqlite in one thread', open);

describe('queries', () => {
  before(async () => {
    const { store, cleanup } = await open();
    const cursor = { before: 9 };
    for (const page of [{}, cursor]) {
      for (const repository of [{}, { repository: 'app' }]) {
        for (const state of [null, ...JOB_STATES]) {
          const query: JobQuery = { ...page, ...repository, ...(state === null ? {} : { state }) };
          await store.listJobs(query);
        }
      }
    }
    for (const page of [{}, { cursor: '9' }]) {
      for (const job of [{}, { jobId: 'job_1' }]) {
        for (const state of [null, ...DELIVERY_STATES]) {
          await store.listDeliveries({ ...page, ...job, ...(state === null ? {} : { state }) });
        }
      }
    }
    await cleanup();
  });

  it('read no table that grows with history from end to end', () => {
    assert.ok(noted.size > 200, `only ${noted.size} queries were noted`);
    assert.deepEqual(findScans(noted.values()), []);
  });
});
