/**
 * The check of all history in slices: each in a snapshot of its own, so that the log can be written back between two,
 * and small enough that a rest after it costs nobody anything. Finds what the deep check finds, except a count of whole
 * tables, for which it would have to stand still.
 */
import { sha256 } from '../../kernel/hash.ts';
import { messageOf } from '../../kernel/result.ts';
import type { ScrubSlice } from '../quarantine-store.ts';
import { checkCopies, checkCounters, checkSecrets } from './check-deep.ts';
import { listDamagedLocks, listMissingLocks } from './damaged-locks.ts';
import { readChain } from './journal.ts';
import { beginFold, compareWithRows, foldEvent, kindOf, listEntities, listOwners, type Fold } from './replay.ts';
import { compareSchema } from './schema-check.ts';
import type { Sql, Value } from './sql.ts';

const SUBJECTS_AT_ONCE = 50;
const ROWS_AT_ONCE = 200;
/** One may have a megabyte. */
const PROMPTS_AT_ONCE = 25;

type Owner = ReturnType<typeof listOwners>[number];

class Slice implements ScrubSlice {
  readonly checked: Record<string, number> = {};
  readonly corrupt: ScrubSlice['corrupt'] = [];

  count(kind: string): void {
    this.checked[kind] = (this.checked[kind] ?? 0) + 1;
  }

  report(kind: string, id: string, why: string): void {
    this.corrupt.push({ kind, id, why });
  }
}

/** Looks at the next part of a table after `last`; returns where it ended, or null at the end. */
type Step = (slice: Slice, last: Value) => Value;

/** Yields what each slice looked at, until everything was. A part that cannot be read is itself a finding. */
export function* scrubSlices(sql: Sql, path: string): Generator<ScrubSlice> {
  for (const step of listSteps(sql, path)) {
    for (let last: Value = ''; last !== null;) {
      const slice = new Slice();
      last = readSlice(sql, { slice, path, step, last });
      yield slice;
    }
  }
}

function readSlice(sql: Sql, part: { slice: Slice; path: string; step: Step; last: Value }): Value {
  const { slice, path, step, last } = part;
  sql.database.exec('BEGIN');
  try {
    return step(slice, last);
  } catch (error) {
    slice.report('database', path, messageOf(error));
    return null;
  } finally {
    if (sql.database.isTransaction) sql.database.exec('ROLLBACK');
  }
}

function listSteps(sql: Sql, path: string): Step[] {
  return [
    (slice, last) => scrubSubjects(sql, slice, last),
    ...listOwners().map(
      (entity): Step =>
        (slice, last) =>
          scrubOrphans(sql, slice, { entity, last }),
    ),
    (slice, last) => scrubPrompts(sql, slice, last),
    (slice) => {
      slice.count('counter');
      checkCounters(sql, (kind, id, why) => slice.report(kind, id, why));
      slice.count('index');
      checkCopies(sql, (kind, id, why) => slice.report(kind, id, why));
      return null;
    },
    (slice) => {
      for (const { key, why } of listDamagedLocks({ sql })) slice.report('lock', key, why);
      checkSecrets(sql, (kind, id, why) => slice.report(kind, id, why));
      slice.count('schema');
      for (const why of compareSchema(sql)) slice.report('schema', path, why);
      return null;
    },
    ...listTables(sql).map(
      (table): Step =>
        (slice) =>
          scrubPages(sql, slice, { table, path }),
    ),
  ];
}

/** Chains against their rows. */
function scrubSubjects(sql: Sql, slice: Slice, last: Value): Value {
  const text = 'SELECT DISTINCT subject FROM events WHERE subject > $1 ORDER BY subject LIMIT $2';
  const subjects = sql.all(text, last, SUBJECTS_AT_ONCE).map((row) => String(row['subject']));
  for (const subject of subjects) {
    const fold = beginFold(subject);
    for (const event of readChain(sql, subject)) foldEvent(fold, event);
    const kind = kindOf(fold);
    slice.count(kind);
    const faults = [...compareWithRows(sql, fold), ...findStrangers(sql, fold)];
    if (faults.length > 0) slice.report(kind, subject, faults.join('; '));
    for (const { key, why } of listMissingLocks(sql, fold)) slice.report('lock', key, why);
  }
  return subjects.at(-1) ?? null;
}

/** Rows that belong to a job and that its journal does not know. */
function findStrangers(sql: Sql, fold: Fold): string[] {
  const faults: string[] = [];
  for (const { table, noun, columns } of listEntities()) {
    // A quarantined thing may belong to a job, and still has a chain of its own.
    if (noun === 'quarantine' || !columns.some(({ column }) => column === 'job_id')) continue;
    const there = Number(sql.get(`SELECT count(*) AS n FROM ${table} WHERE job_id = $1`, fold.subject)?.['n']);
    const known = [...fold.rows.values()].filter(
      ({ entity, record }) => entity.noun === noun && record['jobId'] === fold.subject,
    ).length;
    if (there > known) faults.push(`${there - known} of its ${table} are not in the journal`);
  }
  return faults;
}

/** Rows without any chain. Those that belong to a job are counted with its chain. */
function scrubOrphans(sql: Sql, slice: Slice, part: { entity: Owner; last: Value }): Value {
  const { entity, last } = part;
  const { table, noun } = entity;
  const isOfJob = noun !== 'quarantine' && entity.columns.some(({ column }) => column === 'job_id');
  const known = `EXISTS (SELECT 1 FROM events WHERE subject = ${table}.id)${isOfJob ? ' OR job_id IS NOT NULL' : ''}`;
  const text = `SELECT id, ${known} AS known FROM ${table} WHERE id > $1 ORDER BY id LIMIT $2`;
  const rows = sql.all(text, last, ROWS_AT_ONCE);
  for (const row of rows) if (row['known'] !== 1) slice.report(noun, String(row['id']), 'the journal does not know it');
  const end = rows.at(-1)?.['id'];
  return end === undefined ? null : String(end);
}

function scrubPrompts(sql: Sql, slice: Slice, last: Value): Value {
  const text = 'SELECT sha256, body FROM prompts WHERE sha256 > $1 ORDER BY sha256 LIMIT $2';
  const rows = sql.all(text, last, PROMPTS_AT_ONCE);
  for (const row of rows) {
    const hash = String(row['sha256']);
    slice.count('prompt');
    if (sha256(String(row['body'])) !== hash) slice.report('prompt', hash, 'its text does not match its hash');
  }
  return rows.length === 0 ? null : String(rows.at(-1)?.['sha256']);
}

function listTables(sql: Sql): string[] {
  return sql.all(`SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name`).map((row) => String(row['name']));
}

/** The pages of one table and of its indexes, against each other. */
function scrubPages(sql: Sql, slice: Slice, { table, path }: { table: string; path: string }): null {
  slice.count('pages');
  for (const row of sql.all(`PRAGMA integrity_check(${table})`)) {
    const found = String(row['integrity_check']);
    if (found !== 'ok') slice.report('database', path, `${table}: ${found}`);
  }
  return null;
}
