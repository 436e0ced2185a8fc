/** Between rows and records: mapping, the statements made from the list of fields, and what a patch changes. */
import { fail } from '../../kernel/errors.ts';
import { DEFAULT_LIMITS, PIPELINES } from '../../lifecycle/job.ts';
import { STAGES, STAGE_TASKS } from '../../lifecycle/stage.ts';
import { ATTEMPT_STATES, JOB_STATES } from '../../lifecycle/transitions.ts';
import { toColumn, type Chained, type Entity, type FieldKind } from './entities.ts';
import type { Row, Sql, Value } from './sql.ts';

/** Returns a value as its column holds it. */
export function encode(kind: FieldKind, value: unknown): Value {
  if (value === null || value === undefined) return null;
  if (kind === 'json') return JSON.stringify(value);
  if (kind === 'bool') return value === true ? 1 : 0;
  return value as Value;
}

/** What stands for a damaged value, where null is none: the row stays readable, and the check tells of it. */
const STAND_INS: Record<string, unknown> = {
  verify: [],
  limits: DEFAULT_LIMITS,
  holder: { pid: 0, start: '' },
};

function decode(kind: FieldKind, value: Row[string] | undefined, field: string): unknown {
  if (value === null || value === undefined) return null;
  if (kind === 'json') return parseJson(String(value), field);
  return kind === 'bool' ? value === 1 : value;
}

function parseJson(text: string, field: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return STAND_INS[field] ?? null;
  }
}

interface Vocabulary {
  field: string;
  known: ReadonlySet<unknown>;
  standIn: string | null;
}

/** Words only damage can have changed: with another one in its place, lists that hold the row could not be shown. */
const VOCABULARIES: Record<string, Vocabulary[]> = {
  job: [
    { field: 'state', known: new Set(JOB_STATES), standIn: 'quarantined' },
    { field: 'outcome', known: new Set([null, 'success', 'failure', 'cancelled', 'timed_out']), standIn: null },
    { field: 'stage', known: new Set(STAGES), standIn: 'implement' },
    { field: 'pipeline', known: new Set(PIPELINES), standIn: 'implement' },
    { field: 'workspaceState', known: new Set(['none', 'preparing', 'ready']), standIn: 'none' },
  ],
  attempt: [
    { field: 'state', known: new Set(ATTEMPT_STATES), standIn: 'quarantined' },
    { field: 'stage', known: new Set(STAGES), standIn: 'implement' },
    { field: 'task', known: new Set([null, ...STAGE_TASKS]), standIn: null },
    { field: 'mode', known: new Set(['warm', 'cold']), standIn: 'cold' },
    { field: 'evidenceLevel', known: new Set([null, 'cgroup', 'token']), standIn: null },
  ],
  repository: [
    { field: 'sourceKind', known: new Set(['path', 'url']), standIn: 'path' },
    { field: 'cloneState', known: new Set(['registered', 'cloning', 'ready', 'failed']), standIn: 'failed' },
  ],
};

function useKnownWords(noun: string, record: Record<string, unknown>): Record<string, unknown> {
  for (const { field, known, standIn } of VOCABULARIES[noun] ?? []) {
    if (field in record && !known.has(record[field])) record[field] = standIn;
  }
  return record;
}

/** Returns a row of the entity's `select` as a domain object. */
export function toRecord<T extends object>(entity: Entity<T>, row: Row): T {
  const record: Record<string, unknown> = {};
  for (const { field, column, kind } of entity.columns) {
    const value = row[column];
    record[field] = kind === 'text' || kind === 'int' ? value : decode(kind, value, field);
  }
  return useKnownWords(entity.noun, record) as T;
}

/** Like `toRecord`, with the head of its chain. */
export function toChained<T extends object>(entity: Entity<T>, row: Row): Chained<T> {
  return { record: toRecord(entity, row), head: String(row['head']) };
}

const insertTexts = new WeakMap<object, string>();

/** Inserts a record; `head` is null unless the entity carries its own chain. */
export function insertRecord<T extends object>(
  sql: Sql,
  entity: Entity<T>,
  { record, head }: { record: T; head: string | null },
): void {
  let text = insertTexts.get(entity);
  if (text === undefined) {
    const count = entity.columns.length + (entity.chained ? 1 : 0);
    const parameters = Array.from({ length: count }, (_, index) => `$${index + 1}`).join(', ');
    text = `INSERT INTO ${entity.table} (${entity.select}) VALUES (${parameters})`;
    insertTexts.set(entity, text);
  }
  const values = entity.columns.map(({ field, kind }) => encode(kind, record[field]));
  if (entity.chained) values.push(head);
  sql.run(text, ...values);
}

/**
 * Changes the columns of `changes` (and `head` when given) of the row with this key, if `guard` (SQL of constants of
 * ours, `fence` apart) holds. Returns whether a row was changed.
 */
export function updateRecord<T extends object>(
  sql: Sql,
  entity: Entity<T>,
  update: { key: string; changes: Partial<T>; head: string | null; guard: string; fence: number | null },
): boolean {
  const values: Value[] = [];
  let columns = '';
  for (const [field, value] of Object.entries(update.changes)) {
    values.push(encode(entity.kinds[field as keyof T & string], value));
    columns += `${columns === '' ? '' : ', '}${toColumn(field)} = $${values.length}`;
  }
  if (update.head !== null) {
    values.push(update.head);
    columns += `${columns === '' ? '' : ', '}head = $${values.length}`;
  }
  values.push(update.key);
  let where = `${entity.key} = $${values.length}${update.guard}`;
  if (update.fence !== null) {
    values.push(update.fence);
    where += ` AND fence = $${values.length}`;
  }
  return sql.run(`UPDATE ${entity.table} SET ${columns} WHERE ${where}`, ...values) === 1;
}

/** Returns the fields a caller wants to set; throws `bad-request` for one that is not among `allowed`. */
export function checkPatch<P extends object>(patch: P | undefined, allowed: ReadonlySet<string>): P {
  const checked: Record<string, unknown> = {};
  for (const [field, value] of Object.entries(patch ?? {})) {
    if (!allowed.has(field)) throw fail('bad-request', `"${field}" is not set from outside the store`);
    if (value !== undefined) checked[field] = value;
  }
  return checked as P;
}

/** Returns the fields of `patch` that differ from `record`, or null when none does. */
export function pickChanges<T extends object>(entity: Entity<T>, record: T, patch: Partial<T>): Partial<T> | null {
  const changes: Partial<T> = {};
  let any = false;
  for (const [name, value] of Object.entries(patch)) {
    const field = name as keyof T & string;
    const kind = entity.kinds[field];
    if (kind === undefined) continue;
    if (encode(kind, record[field]) === encode(kind, value)) continue;
    changes[field] = value as T[typeof field];
    any = true;
  }
  return any ? changes : null;
}

/** Returns the fields of a new record that are not null: in the event that makes a row, a field not named is null. */
export function withoutNulls<T extends object>(record: T): Partial<T> {
  const data: Partial<T> = {};
  for (const field of Object.keys(record) as (keyof T)[]) if (record[field] !== null) data[field] = record[field];
  return data;
}
