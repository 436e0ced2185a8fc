/** The check of everything: replays the whole journal, one chain at a time, and compares every row. */
import { DatabaseSync } from 'node:sqlite';
import { sha256 } from '../../kernel/hash.ts';
import { messageOf } from '../../kernel/result.ts';
import { DELIVERY_STATES } from '../../lifecycle/delivery.ts';
import { JOB_STATES } from '../../lifecycle/transitions.ts';
import type { StoreCheck } from '../store.ts';
import { verifySecret } from './accounts.ts';
import { listDamagedLocks, listMissingLocks } from './damaged-locks.ts';
import { iterateChains, readLastEvent } from './journal.ts';
import { compareCopies } from './others.ts';
import { beginFold, compareWithRows, foldEvent, kindOf, listEntities, type Fold } from './replay.ts';
import { compareSchema } from './schema-check.ts';
import { Sql } from './sql.ts';
import { readWitnessed } from './tombstones.ts';
import { inspectWitness, judgeWitness, witnessPath } from './witness.ts';

/** Checks the database at `path` over a connection of its own, in one snapshot; writers go on meanwhile. */
export function checkDatabase(path: string, complaint: string | null): StoreCheck {
  // Read before the snapshot: what is witnessed now must be in a snapshot taken later.
  const seen = inspectWitness(witnessPath(path));
  const database = new DatabaseSync(path, { readOnly: true, timeout: 5000 });
  const check: StoreCheck = { checked: 0, corrupt: [], witness: complaint };
  const report = (kind: string, id: string, why: string): void => void check.corrupt.push({ kind, id, why });
  try {
    const sql = new Sql(database);
    database.exec('BEGIN');
    check.witness ??= seen.error ?? judgeWitness(seen.marks, readLastEvent(sql), (seq) => readWitnessed(sql, seq));
    for (const row of sql.all('PRAGMA integrity_check(10)')) {
      if (row['integrity_check'] !== 'ok') report('database', path, String(row['integrity_check']));
    }
    for (const why of compareSchema(sql)) report('schema', path, why);
    checkChains(sql, check, report);
    check.checked += Number(sql.get('SELECT count(*) AS n FROM locks')?.['n']);
    for (const { key, why } of listDamagedLocks({ sql })) report('lock', key, why);
    checkCounters(sql, report);
    checkCopies(sql, report);
    checkPrompts(sql, report);
    checkSecrets(sql, report);
  } catch (error) {
    report('database', path, messageOf(error));
  } finally {
    database.close();
  }
  return check;
}

/** Takes in what is damaged. */
export type Report = (kind: string, id: string, why: string) => void;

/** Every chain against its rows, then every table against the number of rows the chains account for. */
function checkChains(sql: Sql, check: StoreCheck, report: Report): void {
  const expected = new Map<string, number>();
  const end = (fold: Fold): void => {
    check.checked++;
    const faults = compareWithRows(sql, fold);
    for (const { entity } of fold.rows.values()) expected.set(entity.table, (expected.get(entity.table) ?? 0) + 1);
    for (const { key, why } of listMissingLocks(sql, fold)) report('lock', key, why);
    if (fold.removed) expected.set('tombstones', (expected.get('tombstones') ?? 0) + 1);
    if (faults.length > 0) report(kindOf(fold), fold.subject, faults.join('; '));
  };
  let fold: Fold | null = null;
  for (const event of iterateChains(sql)) {
    if (fold !== null && fold.subject !== event.subject) {
      end(fold);
      fold = null;
    }
    fold ??= beginFold(event.subject);
    foldEvent(fold, event);
  }
  if (fold !== null) end(fold);
  for (const { table } of [...listEntities(), { table: 'tombstones' }]) {
    const count = Number(sql.get(`SELECT count(*) AS n FROM ${table}`)?.['n']);
    const known = expected.get(table) ?? 0;
    if (count !== known) report('table', table, `holds ${count} rows, the journal accounts for ${known}`);
  }
}

/** Numbers that only grow, and the counts by state, against what they count. */
export function checkCounters(sql: Sql, report: Report): void {
  const counters = new Map(
    sql.all('SELECT name, value FROM counters').map((row) => [String(row['name']), Number(row['value'])]),
  );
  const counts = sql.all('SELECT state, count(*) AS n FROM jobs GROUP BY state');
  const byState = new Map(counts.map((row) => [String(row['state']), Number(row['n'])]));
  for (const state of JOB_STATES) {
    const [counted, real] = [counters.get(`state:${state}`) ?? 0, byState.get(state) ?? 0];
    if (counted !== real) report('counter', state, `says ${counted} jobs, there are ${real}`);
  }
  for (const state of DELIVERY_STATES) {
    const real = Number(sql.get('SELECT count(*) AS n FROM deliveries WHERE state = $1', state)?.['n']);
    const counted = counters.get(`delivery:${state}`) ?? 0;
    if (counted !== real) report('counter', `delivery:${state}`, `says ${counted} deliveries, there are ${real}`);
  }
  const { last, seq, number, place } = {
    last: readLastEvent(sql).seq,
    seq: counters.get('seq') ?? 0,
    number: Number(sql.get('SELECT max(number) AS n FROM jobs')?.['n'] ?? 0),
    place: Number(sql.get('SELECT max(queue_seq) AS n FROM jobs')?.['n'] ?? 0),
  };
  if (seq !== last) report('counter', 'seq', `says ${seq}, the journal ends at ${last}`);
  // A removed job takes its number with it; then a count may be ahead of what is there.
  const isComplete = sql.get(`SELECT 1 FROM tombstones WHERE subject >= 'job_' AND subject < 'job~' LIMIT 1`) === null;
  const compare = (name: string, real: number, exact: boolean): void => {
    const said = counters.get(name) ?? 0;
    if (said < real || (exact && said > real)) report('counter', name, `says ${said}, the highest in use is ${real}`);
  };
  compare('jobNumber', number, isComplete);
  compare('queueSeq', place, isComplete);
  compare('bootNumber', Number(sql.get('SELECT max(number) AS n FROM boots')?.['n'] ?? 0), true);
  compare('lockFence', Number(sql.get('SELECT max(fence) AS n FROM locks')?.['n'] ?? 0), false);
}

/** The copies tables keep of one another. */
export function checkCopies(sql: Sql, report: Report): void {
  for (const { table, why } of compareCopies(sql)) report('index', table, why);
}

function checkPrompts(sql: Sql, report: Report): void {
  for (const row of sql.iterate('SELECT sha256, body FROM prompts')) {
    const hash = String(row['sha256']);
    if (sha256(String(row['body'])) !== hash) report('prompt', hash, 'its text does not match its hash');
  }
}

/** Reports every account whose secret is not the one its journal vouches for. */
export function checkSecrets(sql: Sql, report: Report): void {
  for (const row of sql.all('SELECT id FROM accounts')) {
    const id = String(row['id']);
    for (const why of verifySecret(sql, id)) report('account', id, why);
  }
}
