/**
 * The one list of fields of every stored noun. From it come the column names, the statements, the mapping between rows
 * and domain objects, and the replay of events: event data uses the same field names.
 */
import type { AttemptCore } from '../../lifecycle/attempt.ts';
import type { JobCore, Outcome } from '../../lifecycle/job.ts';
import type { CallbackTarget, Delivery } from '../../lifecycle/delivery.ts';
import type { JobFile } from '../../lifecycle/job-file.ts';
import type { Repository } from '../../lifecycle/repository.ts';
import type { Repair } from '../../lifecycle/orphan.ts';
import type { Resource } from '../../lifecycle/resource.ts';
import type { AttemptState, JobState } from '../../lifecycle/transitions.ts';
import type { QuarantineItem } from '../quarantine-store.ts';
import type { Account, Boot, TokenRow } from '../store.ts';
import type { Batch, Lock } from '../waiting-store.ts';

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

/** A job without the discriminated union of its states. */
export interface JobRecord extends JobCore {
  state: JobState;
  outcome: Outcome | null;
}

/** The whole row of a job, with what is not shown. */
export interface StoredJob extends JobRecord {
  idempotencyKey: string | null;
  requestSha256: string | null;
}

export interface AttemptRecord extends AttemptCore {
  state: AttemptState;
}

/** A start with its place among all starts: the clock may have jumped between two. */
export interface StoredBoot extends Boot {
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

/** Returns the noun with its columns worked out. */
export function defineEntity<T extends object>(options: {
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

const JOB_FIELDS: { [K in keyof JobRecord]: FieldKind } = {
  number: 'int',
  id: 'text',
  repository: 'text',
  others: 'json',
  otherBases: 'json',
  after: 'json',
  awaits: 'json',
  overtaken: 'int',
  promptSha256: 'text',
  packet: 'bool',
  surface: 'json',
  command: 'json',
  agent: 'text',
  pipeline: 'text',
  stage: 'text',
  plan: 'json',
  step: 'json',
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
  workspaceRemovedAt: 'int',
  baseCommit: 'text',
  transcriptSha256: 'text',
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
  callbacks: 'json',
  version: 'int',
};

const JOB_TABLE = { noun: 'job', table: 'jobs', key: 'id', chained: true } as const;

/** Jobs as callers see them. */
export const JOBS = defineEntity<JobRecord>({ ...JOB_TABLE, kinds: JOB_FIELDS });

/** Jobs as they are stored. */
export const STORED_JOBS = defineEntity<StoredJob>({
  ...JOB_TABLE,
  kinds: { ...JOB_FIELDS, idempotencyKey: 'text', requestSha256: 'text' },
});

export const ATTEMPTS = defineEntity<AttemptRecord>({
  noun: 'attempt',
  table: 'attempts',
  key: 'id',
  chained: false,
  kinds: {
    jobId: 'text',
    number: 'int',
    id: 'text',
    stage: 'text',
    gate: 'text',
    task: 'text',
    epoch: 'int',
    fence: 'int',
    state: 'text',
    mode: 'text',
    sessionId: 'text',
    model: 'text',
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
    outputSha256: 'text',
    stderrSha256: 'text',
    evidenceLevel: 'text',
    note: 'text',
    version: 'int',
  },
});

export const REPOSITORIES = defineEntity<Repository>({
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
    trouble: 'json',
    request: 'json',
    pipeline: 'json',
    push: 'text',
    createdAt: 'int',
    updatedAt: 'int',
    version: 'int',
  },
});

export const LOCKS = defineEntity<Lock>({
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

export const BATCHES = defineEntity<Batch>({
  noun: 'batch',
  table: 'batches',
  key: 'id',
  chained: false,
  kinds: { id: 'text', repositoryId: 'text', jobId: 'text', through: 'int', fetchedAt: 'int' },
});

export const RESOURCES = defineEntity<Resource>({
  noun: 'resource',
  table: 'resources',
  key: 'id',
  chained: false,
  kinds: {
    id: 'text',
    jobId: 'text',
    kind: 'text',
    target: 'text',
    facts: 'json',
    identity: 'text',
    state: 'text',
    tries: 'int',
    note: 'text',
    principal: 'text',
    request: 'json',
    registeredAt: 'int',
    removingAt: 'int',
    removedAt: 'int',
    version: 'int',
  },
});

export const REPAIRS = defineEntity<Repair>({
  noun: 'repair',
  table: 'repairs',
  key: 'id',
  chained: true,
  kinds: {
    id: 'text',
    orphanId: 'text',
    kind: 'text',
    target: 'text',
    action: 'text',
    state: 'text',
    note: 'text',
    actor: 'text',
    intendedAt: 'int',
    endedAt: 'int',
  },
});

const BOOT_FIELDS: { [K in keyof Boot]: FieldKind } = {
  id: 'text',
  previousId: 'text',
  hostBoot: 'text',
  host: 'text',
  pid: 'int',
  startedAt: 'int',
  readyAt: 'int',
  stoppedAt: 'int',
  previousStop: 'text',
  report: 'json',
};

const BOOT_TABLE = { noun: 'boot', table: 'boots', key: 'id', chained: true } as const;

/** Starts as callers see them. */
export const BOOTS = defineEntity<Boot>({ ...BOOT_TABLE, kinds: BOOT_FIELDS });

/** Starts as they are stored. */
export const STORED_BOOTS = defineEntity<StoredBoot>({ ...BOOT_TABLE, kinds: { ...BOOT_FIELDS, number: 'int' } });

export const TOKENS = defineEntity<TokenRow>({
  noun: 'token',
  table: 'tokens',
  key: 'id',
  chained: true,
  kinds: {
    id: 'text',
    name: 'text',
    sha256: 'text',
    createdAt: 'int',
    revokedAt: 'int',
    accountId: 'text',
    expiresAt: 'int',
    request: 'json',
  },
});

export const ACCOUNTS = defineEntity<Account>({
  noun: 'account',
  table: 'accounts',
  key: 'id',
  chained: true,
  kinds: { id: 'text', name: 'text', secretSha256: 'text', createdAt: 'int', revokedAt: 'int', request: 'json' },
});

export const QUARANTINE = defineEntity<QuarantineItem>({
  noun: 'quarantine',
  table: 'quarantine',
  key: 'id',
  chained: true,
  kinds: {
    id: 'text',
    kind: 'text',
    item: 'text',
    path: 'text',
    why: 'text',
    jobId: 'text',
    boot: 'text',
    foundAt: 'int',
    releasedAt: 'int',
    releasedBy: 'text',
    resolution: 'text',
  },
});

/** Deliveries; their chain is that of their job, else their own. */
export const DELIVERIES = defineEntity<Delivery>({
  noun: 'delivery',
  table: 'deliveries',
  key: 'id',
  chained: true,
  kinds: {
    id: 'text',
    number: 'int',
    jobId: 'text',
    type: 'text',
    url: 'text',
    host: 'text',
    body: 'text',
    state: 'text',
    tries: 'int',
    roundTries: 'int',
    redeliveries: 'int',
    nextAt: 'int',
    lastStatus: 'int',
    lastError: 'text',
    createdAt: 'int',
    finishedAt: 'int',
    version: 'int',
  },
});

export const TARGETS = defineEntity<CallbackTarget>({
  noun: 'target',
  table: 'callback_targets',
  key: 'id',
  chained: true,
  kinds: { id: 'text', url: 'text', disabledAt: 'int', deliveryId: 'text', version: 'int' },
});

export const JOB_FILES = defineEntity<JobFile>({
  noun: 'file',
  table: 'job_files',
  key: 'id',
  chained: false,
  kinds: {
    id: 'text',
    jobId: 'text',
    name: 'text',
    sha256: 'text',
    size: 'int',
    overwrite: 'bool',
    uploadedAt: 'int',
  },
});
