/** The schema as migrations make it: against its golden dump, the vocabulary, and the plans of the hot queries. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { REPAIR_STATES } from '../../lifecycle/orphan.ts';
import { RESOURCE_STATES } from '../../lifecycle/resource.ts';
import { ATTEMPT_STATES, JOB_STATES } from '../../lifecycle/transitions.ts';
import { DELIVERY_STATES } from '../../lifecycle/delivery.ts';
import {
  ACCOUNTS,
  ATTEMPTS,
  BATCHES,
  JOB_FILES,
  STORED_BOOTS,
  LOCKS,
  QUARANTINE,
  REPOSITORIES,
  STORED_JOBS,
  TOKENS,
  DELIVERIES,
  TARGETS,
  RESOURCES,
  REPAIRS,
} from './entities.ts';
import { loadMigrations, migrate, readSchemaVersion } from './migrate.ts';
import { TABLES_OF_A_JOB } from './remove-job.ts';
import { hashSchema } from './schema-check.ts';
import { Sql } from './sql.ts';

const GOLDEN = new URL('../../../test/golden/schema.sql', import.meta.url);

function freshSchema(): Sql {
  const sql = new Sql(new DatabaseSync(':memory:'));
  migrate(sql, { from: 0, migrations: loadMigrations() });
  return sql;
}

function dump(sql: Sql): string {
  const rows = sql.all('SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type DESC, name');
  return rows.map((row) => `${String(row['sql'])};\n`).join('\n');
}

/** States a table's CASE names, in its order. */
function statesOf(sql: Sql, table: string): string[] {
  const text = String(sql.get('SELECT sql FROM sqlite_master WHERE name = $1', table)?.['sql']);
  return [...text.matchAll(/WHEN '(\w+)' THEN/g)].map(([, state]) => state ?? '');
}

function planOf(sql: Sql, query: string): string {
  return sql
    .all(`EXPLAIN QUERY PLAN ${query}`)
    .map((row) => String(row['detail']))
    .join(' | ');
}

describe('sqlite schema', () => {
  it('is the golden dump (write it anew with UPDATE_GOLDEN=1)', () => {
    const now = dump(freshSchema());
    if (process.env['UPDATE_GOLDEN'] === '1') {
      mkdirSync(new URL('.', GOLDEN), { recursive: true });
      writeFileSync(GOLDEN, now);
    }
    assert.equal(now, readFileSync(GOLDEN, 'utf8'));
  });

  it('has the hash a start compares it with (write it anew with UPDATE_GOLDEN=1)', () => {
    const file = new URL('./schema-check.ts', import.meta.url);
    const text = readFileSync(file, 'utf8');
    const renewed = text.replace(/(SCHEMA_SHA256 = ')[^']*/, `$1${hashSchema(freshSchema())}`);
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(file, renewed);
    else assert.equal(text, renewed);
  });

  it('knows exactly the states of the transition tables', () => {
    const sql = freshSchema();
    assert.deepEqual(statesOf(sql, 'jobs'), [...JOB_STATES]);
    assert.deepEqual(statesOf(sql, 'attempts'), [...ATTEMPT_STATES]);
    assert.deepEqual(statesOf(sql, 'deliveries'), [...DELIVERY_STATES]);
    assert.deepEqual(statesOf(sql, 'resources'), [...RESOURCE_STATES]);
    assert.deepEqual(statesOf(sql, 'repairs'), [...REPAIR_STATES]);
  });

  it('loses every row of a job with the job', () => {
    const sql = freshSchema();
    const tables = sql
      .all(`SELECT m.name AS name FROM sqlite_master AS m, pragma_table_info(m.name) AS c
            WHERE m.type = 'table' AND c.name = 'job_id'`)
      .map((row) => String(row['name']));
    // The chain is cut by its own rule; nobody is removed who holds a lock; what was set aside has a chain of its own.
    const others = ['events', 'locks', 'quarantine'];
    assert.deepEqual(tables.filter((name) => !others.includes(name)).toSorted(), [...TABLES_OF_A_JOB].toSorted());
  });

  it('has a column for every field, and no other', () => {
    const sql = freshSchema();
    for (const entity of [
      STORED_JOBS,
      ATTEMPTS,
      QUARANTINE,
      REPOSITORIES,
      LOCKS,
      BATCHES,
      STORED_BOOTS,
      TOKENS,
      ACCOUNTS,
      DELIVERIES,
      TARGETS,
      JOB_FILES,
      REPAIRS,
      RESOURCES,
    ]) {
      const columns = sql
        .all(`SELECT name FROM pragma_table_info('${entity.table}')`)
        .map((row) => String(row['name']));
      assert.deepEqual(columns.toSorted(), entity.select.split(', ').toSorted(), entity.table);
    }
  });

  it('refuses nonsense by itself', () => {
    const sql = freshSchema();
    sql.run(`INSERT INTO prompts VALUES ($1, 'p')`, 'a'.repeat(64));
    const insert = (state: string, extra: Record<string, string | number> = {}): void => {
      const row: Record<string, string | number> = {
        id: `job_${state}`,
        repository: 'app',
        prompt_sha256: 'a'.repeat(64),
        agent: 'x',
        pipeline: 'implement',
        stage: 'implement',
        state,
        epoch: 1,
        frozen: 0,
        priority: 0,
        fence: 0,
        attempts: 0,
        on_interrupt: 'continue',
        workspace_state: 'none',
        output_bytes: 0,
        limits: '{}',
        principal: 'local',
        lineage: 'l',
        created_at: 1,
        version: 1,
        head: 'h',
        ...extra,
      };
      const names = Object.keys(row);
      const parameters = names.map((_, index) => `$${index + 1}`).join(', ');
      sql.run(`INSERT INTO jobs (${names.join(', ')}) VALUES (${parameters})`, ...Object.values(row));
    };
    insert('created');
    for (const state of ['queued', 'preparing', 'running', 'blocked', 'quarantined', 'completed', 'paused', '']) {
      assert.throws(() => insert(state), /CHECK constraint/, state);
    }
    const ended = { finished_at: 5, outcome: 'failure' };
    assert.throws(() => insert('completed', ended), /CHECK constraint/);
    assert.throws(() => insert('completed', { ...ended, outcome: 'nonsense' }), /CHECK constraint/);
    insert('failed', ended);
    assert.throws(() => insert('created', { id: 'job_x', prompt_sha256: 'b'.repeat(64) }), /FOREIGN KEY/);
  });

  it('reads live work from indexes that hold nothing else', () => {
    const sql = freshSchema();
    const plans: [string, RegExp][] = [
      [
        `SELECT id FROM jobs WHERE repository = 'a' AND others IS NULL AND state = 'queued' AND frozen = 0 AND (surface IS NULL OR started_at IS NOT NULL) AND stage NOT IN ('verify', 'merge') ORDER BY priority DESC, queue_seq LIMIT 1`,
        /jobs_claimable/,
      ],
      [`SELECT * FROM jobs WHERE state = 'queued' ORDER BY priority DESC, queue_seq LIMIT 9`, /jobs_queue/],
      [`SELECT * FROM jobs WHERE state IN ('preparing', 'running') ORDER BY number`, /jobs_active/],
      [`SELECT id FROM jobs WHERE finished_at IS NULL ORDER BY number`, /jobs_live/],
      [
        `SELECT id FROM jobs WHERE repository = 'a' AND others IS '["b"]' AND state = 'queued' AND frozen = 0 AND (surface IS NULL OR started_at IS NOT NULL) AND stage NOT IN ('verify', 'merge') ORDER BY priority DESC, queue_seq LIMIT 1`,
        /jobs_claimable/,
      ],
      [`SELECT through FROM batches WHERE repository_id = 'a' ORDER BY through DESC LIMIT 1`, /batches_newest/],
      [
        `SELECT repository, others, count(*) FROM jobs WHERE state = 'queued' AND frozen = 0 AND (surface IS NULL OR started_at IS NOT NULL) AND stage NOT IN ('verify', 'merge') GROUP BY repository, others`,
        /jobs_claimable/,
      ],
      [
        `SELECT repository, others, count(*) FROM jobs WHERE state = 'queued' AND frozen = 0 AND (surface IS NULL OR started_at IS NOT NULL) AND stage IN ('verify', 'merge') GROUP BY repository, others`,
        /jobs_slots/,
      ],
      [
        `SELECT jobs.id FROM job_after CROSS JOIN jobs ON jobs.number = job_after.number WHERE job_after.dependency = 'a' AND jobs.state IN ('created', 'waiting') ORDER BY job_after.number`,
        /job_after USING PRIMARY KEY .* jobs USING INTEGER PRIMARY KEY/,
      ],
      [
        `SELECT repository, others, count(*) FROM jobs WHERE state = 'queued' AND frozen = 0 AND surface IS NOT NULL AND started_at IS NULL GROUP BY repository, others`,
        /jobs_surface_line/,
      ],
      [
        `SELECT id FROM jobs WHERE repository = 'a' AND others IS NULL AND state = 'queued' AND frozen = 0 AND surface IS NOT NULL AND started_at IS NULL ORDER BY priority DESC, queue_seq LIMIT 128`,
        /jobs_surface_line/,
      ],
      [
        `SELECT id FROM jobs WHERE repository = 'a' AND surface IS NOT NULL AND (state IN ('preparing', 'running') OR (state IN ('queued', 'quarantined') AND started_at IS NOT NULL)) ORDER BY number`,
        /jobs_surface_held/,
      ],
      [`SELECT repository FROM jobs WHERE state IN ('preparing', 'running') ORDER BY number`, /jobs_active/],
      [`SELECT * FROM attempts WHERE state IN ('intended', 'running') ORDER BY id`, /attempts_live/],
      [
        `SELECT * FROM jobs WHERE state = 'failed' AND finished_at IS NOT NULL ORDER BY number DESC LIMIT 9`,
        /jobs_ended/,
      ],
      [`SELECT * FROM jobs WHERE repository = 'a' ORDER BY number DESC LIMIT 9`, /jobs_repository/],
      [`SELECT min(next_at) AS at FROM deliveries WHERE next_at > 5`, /deliveries_due/],
      [
        `SELECT * FROM deliveries WHERE next_at IS NOT NULL AND host = 'h' AND next_at <= 5 ORDER BY next_at, number LIMIT 9`,
        /deliveries_host/,
      ],
      [
        `SELECT * FROM deliveries WHERE finished_at IS NULL AND url = 'u' AND job_id IS 'j' ORDER BY number LIMIT 1`,
        /deliveries_lane/,
      ],
      [`SELECT id FROM deliveries WHERE state = 'sending' ORDER BY number`, /deliveries_sending/],
      [`SELECT created_at FROM deliveries WHERE finished_at IS NULL ORDER BY number LIMIT 1`, /deliveries_open/],
      [
        `SELECT * FROM deliveries WHERE state = 'retrying' AND finished_at IS NULL ORDER BY number DESC LIMIT 9`,
        /deliveries_open/,
      ],
      [`SELECT * FROM deliveries WHERE state = 'failed' ORDER BY number DESC LIMIT 9`, /deliveries_failed/],
      [`SELECT * FROM deliveries WHERE job_id = 'j' ORDER BY number DESC LIMIT 9`, /deliveries_job/],
      [`SELECT * FROM resources WHERE removed_at IS NULL AND id > 'a' ORDER BY id LIMIT 9`, /resources_open/],
      [`SELECT * FROM resources WHERE id > 'a' AND job_id = 'j' ORDER BY id LIMIT 9`, /resources_job/],
      [
        `SELECT * FROM jobs WHERE finished_at IS NOT NULL AND finished_at < 5 AND (finished_at, number) > (2, 3)
         ORDER BY finished_at, number LIMIT 9`,
        /jobs_finished/,
      ],
      [
        `SELECT * FROM jobs WHERE finished_at IS NOT NULL AND workspace_state <> 'none' AND finished_at < 5
         AND (finished_at, number) > (2, 3) ORDER BY finished_at, number LIMIT 9`,
        /jobs_workspaces/,
      ],
      [
        `SELECT * FROM jobs WHERE workspace_removed_at IS NOT NULL AND workspace_state = 'preparing'
         AND finished_at IS NOT NULL ORDER BY number LIMIT 9`,
        /jobs_retiring/,
      ],
      [`SELECT 1 FROM jobs WHERE prompt_sha256 = 'a' LIMIT 1`, /jobs_prompt/],
      [`SELECT * FROM events WHERE subject = 'a' AND seq > 5 ORDER BY seq LIMIT 9`, /events_subject/],
    ];
    for (const [query, index] of plans) {
      const plan = planOf(sql, query);
      assert.match(plan, index, query);
      assert.doesNotMatch(plan, /TEMP B-TREE FOR ORDER BY/, query);
    }
  });
});

describe('migrations', () => {
  it('are carried out in order, each once, each whole or not at all', () => {
    const directory = mkdtempSync(join(tmpdir(), 'holdfast-migrations-'));
    try {
      writeFileSync(
        join(directory, '0001-first.sql'),
        'CREATE TABLE migrations (number INTEGER PRIMARY KEY, name TEXT, applied_at INTEGER) STRICT;',
      );
      writeFileSync(
        join(directory, '0002-second.sql'),
        'CREATE TABLE two (x INTEGER) STRICT; INSERT INTO two VALUES (1);',
      );
      const url = pathToFileURL(`${directory}/`);
      const sql = new Sql(new DatabaseSync(':memory:'));
      migrate(sql, { from: readSchemaVersion(sql, 'x'), migrations: loadMigrations(url) });
      assert.equal(readSchemaVersion(sql, 'x'), 2);
      writeFileSync(join(directory, '0003-third.sql'), 'UPDATE two SET x = 2; INSERT INTO nowhere VALUES (1);');
      assert.throws(() => migrate(sql, { from: 2, migrations: loadMigrations(url) }), /nowhere/);
      assert.deepEqual([readSchemaVersion(sql, 'x'), sql.get('SELECT x FROM two')?.['x']], [2, 1]);
      writeFileSync(join(directory, '0003-third.sql'), 'UPDATE two SET x = 3;');
      migrate(sql, { from: 2, migrations: loadMigrations(url) });
      assert.deepEqual([readSchemaVersion(sql, 'x'), sql.get('SELECT x FROM two')?.['x']], [3, 3]);
      rmSync(join(directory, '0002-second.sql'));
      assert.throws(() => loadMigrations(url), /migration 2 is missing/);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
