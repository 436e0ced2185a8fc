/**
 * The one list of fields of every stored noun. From it come the column names, the statements, the mapping between rows
 * and domain objects, and the replay of events: event data uses the same field names.
 */
import type { AttemptCore } from '../../lifecycle/attempt.ts';
import type { JobCore, Outcome } from '../../lifecycle/job.ts';
import type { Repository } from '../../lifecycle/repository.ts';
import type { AttemptState, JobState } from '../../lifecycle/transitions.ts';
import type { Boot, Lock, TokenRow } from '../store.ts';
import type { Row, Sql, Value } from './sql.ts';

export type FieldKind = 'text' | 'int' | 'bool' | 'json';

export interface Entity<T extends object> {
  noun: string;
  table: string;
  /** Field that identifies a row. */
  key: keyof T & string;
  kinds: { [K in keyof T & string]: FieldKind };
  /** Field names with their columns, in the order of `kinds`. */
  columns: readonly { field: keyof T & string; column: string; kind: FieldKind }[];
  /** `a, b, c` for a SELECT. */
  select: string;
  /** Whether the row carries the head of its own chain. */
  chained: boolean;
}

/** A job as stored: without the discriminated union, with what is not shown. */
export interface JobRecord extends JobCore {
  state: JobState;
  outcome: Outcome | null;
  idempotencyKey: string | null;
  requestSha256: string | null;
}

export interface AttemptRecord extends AttemptCore {
  state: AttemptState;
}

/** A start with its place among all starts: the clock may have jumped between two. */
export interface BootRecord extends Boot {
  number: number;
}

/** A record and the head of its chain. */
export interface Chained<T> {
  record: T;
  head: string;
}

const columnNames = new Map<string, string>();

/** Returns the column of a field: `queueSeq` → `queue_seq`. */
export function toColumn(field: string): string {
  let column = columnNames.get(field);
  if (column === undefined) {
    column = field.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    columnNames.set(field, column);
  }
  return column;
}

function define<T extends object>(options: {
  noun: string;
  table: string;
  key: keyof T & string;
  chained: boolean;
  kinds: { [K in keyof T & string]: FieldKind };
}): Entity<T> {
  const fields = Object.keys(options.kinds) as (keyof T & string)[];
  const columns = fields.map((field) => ({ field, column: toColumn(field), kind: options.kinds[field] }));
  const names = columns.map(({ column }) => column);
  return { ...options, columns, select: (options.chained ? [...names, 'head'] : names).join(', ') };
}

export const JOBS = define<JobRecord>({
  noun: 'job',
  table: 'jobs',
  key: 'id',
  chained: true,
  kinds: {
    number: 'int',
    id: 'text',
    repository: 'text',
    promptSha256: 'text',
    command: 'json',
    agent: 'text',
    pipeline: 'text',
    stage: 'text',
    state: 'text',
    outcome: 'text',
    epoch: 'int',
    frozen: 'bool',
    priority: 'int',
    fence: 'int',
    attempts: 'int',
    onInterrupt: 'text',
    sessionId: 'text',
    workspaceState: 'text',
    baseCommit: 'text',
    outputBytes: 'int',
    cancelRequestedAt: 'int',
    limits: 'json',
    deadlineMs: 'int',
    principal: 'text',
    lineage: 'text',
    reason: 'text',
    blocker: 'text',
    exitCode: 'int',
    exitSignal: 'text',
    queueSeq: 'int',
    createdAt: 'int',
    queuedAt: 'int',
    startedAt: 'int',
    finishedAt: 'int',
    claimedBy: 'text',
    idempotencyKey: 'text',
    requestSha256: 'text',
    version: 'int',
  },
});

export const ATTEMPTS = define<AttemptRecord>({
  noun: 'attempt',
  table: 'attempts',
  key: 'id',
  chained: false,
  kinds: {
    jobId: 'text',
    number: 'int',
    id: 'text',
    stage: 'text',
    epoch: 'int',
    fence: 'int',
    state: 'text',
    mode: 'text',
    sessionId: 'text',
    limits: 'json',
    boot: 'text',
    agent: 'json',
    keeper: 'json',
    intendedAt: 'int',
    startedAt: 'int',
    endedAt: 'int',
    verdict: 'text',
    exitCode: 'int',
    exitSignal: 'text',
    stoppedBy: 'text',
    outputBytes: 'int',
    evidenceLevel: 'text',
    note: 'text',
    version: 'int',
  },
});

export const REPOSITORIES = define<Repository>({
  noun: 'repository',
  table: 'repositories',
  key: 'id',
  chained: true,
  kinds: {
    id: 'text',
    name: 'text',
    source: 'text',
    sourceKind: 'text',
    base: 'text',
    verify: 'json',
    merge: 'bool',
    trusted: 'bool',
    concurrency: 'int',
    command: 'json',
    cloneState: 'text',
    unavailable: 'text',
    createdAt: 'int',
    updatedAt: 'int',
    version: 'int',
  },
});

export const LOCKS = define<Lock>({
  noun: 'lock',
  table: 'locks',
  key: 'key',
  chained: false,
  kinds: {
    key: 'text',
    boot: 'text',
    holder: 'json',
    operation: 'text',
    jobId: 'text',
    acquiredAt: 'int',
    fence: 'int',
  },
});

export const BOOTS = define<BootRecord>({
  noun: 'boot',
  table: 'boots',
  key: 'id',
  chained: true,
  kinds: {
    number: 'int',
    id: 'text',
    previousId: 'text',
    hostBoot: 'text',
    pid: 'int',
    startedAt: 'int',
    readyAt: 'int',
    stoppedAt: 'int',
    previousStop: 'text',
    report: 'json',
  },
});

export const TOKENS = define<TokenRow>({
  noun: 'token',
  table: 'tokens',
  key: 'id',
  chained: true,
  kinds: { id: 'text', name: 'text', sha256: 'text', createdAt: 'int', revokedAt: 'int' },
});

function encode(kind: FieldKind, value: unknown): Value {
  if (value === null || value === undefined) return null;
  if (kind === 'json') return JSON.stringify(value);
  if (kind === 'bool') return value === true ? 1 : 0;
  return value as Value;
}

function decode(kind: FieldKind, value: Row[string] | undefined): unknown {
  if (value === null || value === undefined) return null;
  if (kind === 'json') return JSON.parse(String(value));
  return kind === 'bool' ? value === 1 : value;
}

/** Returns a row of the entity's `select` as a domain object. */
export function toRecord<T extends object>(entity: Entity<T>, row: Row): T {
  const record: Record<string, unknown> = {};
  for (const { field, column, kind } of entity.columns) {
    const value = row[column];
    record[field] = kind === 'text' || kind === 'int' ? value : decode(kind, value);
  }
  return record as T;
}

/** Like `toRecord`, with the head of its chain. */
export function toChained<T extends object>(entity: Entity<T>, row: Row): Chained<T> {
  return { record: toRecord(entity, row), head: String(row['head']) };
}

const insertTexts = new Map<string, string>();

/** Inserts a record, with `head` when the entity carries its own chain. */
export function insertRecord<T extends object>(sql: Sql, entity: Entity<T>, record: T, head: string | null): void {
  let text = insertTexts.get(entity.table);
  if (text === undefined) {
    const count = entity.columns.length + (entity.chained ? 1 : 0);
    const parameters = Array.from({ length: count }, (_, index) => `$${index + 1}`).join(', ');
    text = `INSERT INTO ${entity.table} (${entity.select}) VALUES (${parameters})`;
    insertTexts.set(entity.table, text);
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
  let where = `${toColumn(entity.key)} = $${values.length}${update.guard}`;
  if (update.fence !== null) {
    values.push(update.fence);
    where += ` AND fence = $${values.length}`;
  }
  return sql.run(`UPDATE ${entity.table} SET ${columns} WHERE ${where}`, ...values) === 1;
}

/** Returns the fields of `patch` that differ from `record`, or null when none does. */
export function pickChanges<T extends object>(entity: Entity<T>, record: T, patch: Partial<T>): Partial<T> | null {
  const changes: Partial<T> = {};
  let any = false;
  for (const [name, value] of Object.entries(patch)) {
    const field = name as keyof T & string;
    const kind = entity.kinds[field];
    if (kind === undefined || value === undefined) continue;
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
