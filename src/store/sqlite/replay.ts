/**
 * Replay: folds the events of one chain into the rows it tells about, and says what contradicts what. Used on the
 * chains of live work at every start, and on the whole journal by the deep check.
 */
import {
  JOB_TRANSITIONS,
  canMoveAttempt,
  canMoveJob,
  type AttemptState,
  type AttemptTransition,
  type JobState,
  type JobTransition,
} from '../../lifecycle/transitions.ts';
import {
  DELIVERY_TRANSITIONS,
  canMoveDelivery,
  type DeliveryState,
  type DeliveryTransition,
} from '../../lifecycle/delivery.ts';
import { REPAIR_TRANSITIONS, canMoveRepair, type RepairState, type RepairTransition } from '../../lifecycle/orphan.ts';
import { BACKUP_TRANSITIONS, canMoveBackup, type BackupState, type BackupTransition } from '../../lifecycle/backup.ts';
import {
  ROTATION_TRANSITIONS,
  canMoveRotation,
  type RotationState,
  type RotationTransition,
} from '../../lifecycle/rotation.ts';
import {
  RESOURCE_TRANSITIONS,
  canMoveResource,
  type ResourceState,
  type ResourceTransition,
} from '../../lifecycle/resource.ts';
import {
  ACCOUNTS,
  ATTEMPTS,
  BATCHES,
  DELIVERIES,
  JOB_FILES,
  STORED_BOOTS,
  LOCKS,
  QUARANTINE,
  REPAIRS,
  REPOSITORIES,
  RESOURCES,
  STORED_JOBS,
  TARGETS,
  TOKENS,
  type Entity,
} from './entities.ts';
import { BACKUPS } from './backup-entity.ts';
import { ROTATIONS } from './rotations.ts';
import { EVIDENCE, GATES } from './ledger-entities.ts';
import { REFUSALS } from './refusals.ts';
import { encode } from './records.ts';
import { GENESIS, hashEvent, type StoredEvent } from './journal.ts';
import type { Row, Sql } from './sql.ts';

type Fields = Record<string, unknown>;
type AnyEntity = Entity<Fields>;

const ENTITIES = new Map<string, AnyEntity>(
  [
    STORED_JOBS,
    ATTEMPTS,
    REPAIRS,
    REPOSITORIES,
    LOCKS,
    BATCHES,
    STORED_BOOTS,
    TOKENS,
    ACCOUNTS,
    QUARANTINE,
    DELIVERIES,
    TARGETS,
    JOB_FILES,
    RESOURCES,
    BACKUPS,
    ROTATIONS,
    GATES,
    EVIDENCE,
    REFUSALS,
  ].map((entity) => [entity.noun, entity as unknown as AnyEntity]),
);

/** The nouns that are stored, with their tables. */
export function listEntities(): AnyEntity[] {
  return [...ENTITIES.values()];
}

/** What a chain amounts to: its head, and the rows it left, by noun and key. */
export interface Fold {
  subject: string;
  head: string;
  lastSeq: number;
  /** Whether its own row was removed. */
  removed: boolean;
  /** When, and when its files were gone as well; null before. */
  removedAt: number | null;
  clearedAt: number | null;
  /** Hash of the last event that went with its row, where the chain begins with the removal. */
  cut: string | null;
  rows: Map<string, { entity: AnyEntity; record: Fields }>;
  /** Everything that contradicts the rules, in words. */
  faults: string[];
}

/** Begins the fold of a subject's chain. */
export function beginFold(subject: string): Fold {
  return {
    subject,
    head: GENESIS,
    lastSeq: 0,
    removed: false,
    cut: null,
    removedAt: null,
    clearedAt: null,
    rows: new Map(),
    faults: [],
  };
}

const KINDS: Record<string, string> = {
  repo: 'repository',
  tok: 'token',
  acc: 'account',
  dlv: 'delivery',
  tgt: 'target',
  quar: 'quarantine',
  bak: 'backup',
  rot: 'rotation',
  rep: 'repair',
};

/** What a damaged chain is called: the noun of its subject, or `tombstone` once that is removed. */
export function kindOf(fold: Fold): string {
  const prefix = fold.subject.split('_')[0] ?? 'subject';
  return fold.removed ? 'tombstone' : (KINDS[prefix] ?? prefix);
}

/** Takes in the next event of the chain. */
export function foldEvent(fold: Fold, event: StoredEvent): void {
  if (fold.lastSeq === 0 && event.kind === 'job.remove') fold.head = fold.cut = event.prevHash;
  if (event.prevHash !== fold.head) fold.faults.push(`event ${event.seq} does not follow the one before it`);
  if (hashEvent(event, event.prevHash) !== event.hash) fold.faults.push(`event ${event.seq} does not match its hash`);
  fold.head = event.hash;
  fold.lastSeq = event.seq;
  const [noun = '', verb = ''] = event.kind.split('.');
  const entity = ENTITIES.get(noun);
  if (entity === undefined) {
    fold.faults.push(`event ${event.seq} is of the unknown kind ${event.kind}`);
    return;
  }
  let data: Fields;
  try {
    data = JSON.parse(event.data) as Fields;
  } catch {
    fold.faults.push(`the data of event ${event.seq} is not JSON`);
    return;
  }
  const key = keyOf(noun, event, data);
  const name = `${noun} ${key}`;
  const before = fold.rows.get(name)?.record ?? null;
  // Its files are gone as well: nothing of the row.
  if (verb === 'clear') {
    fold.clearedAt = event.at;
    return;
  }
  const isLetGo = verb === 'release' && noun !== 'job' && noun !== 'quarantine';
  if (verb === 'remove' || verb === 'drop' || isLetGo) {
    fold.rows.delete(name);
    if (verb === 'remove') {
      fold.removed = true;
      fold.removedAt = event.at;
    }
    return;
  }
  checkTransition(fold, event, { noun, verb, before, after: data });
  fold.rows.set(name, { entity, record: before === null ? complete(entity, data) : { ...before, ...data } });
}

/** Nouns whose rows are told of in the chain of something else, by their id. */
const IN_ANOTHER_CHAIN = new Set(['delivery', 'batch', 'file', 'resource', 'gate', 'evidence', 'refusal']);

function keyOf(noun: string, event: StoredEvent, data: Fields): string {
  if (noun === 'attempt') return event.attemptId ?? '';
  if (IN_ANOTHER_CHAIN.has(noun)) return String(data['id']);
  return noun === 'lock' ? String(data['key']) : event.subject;
}

/** In the event that makes a row, a field not named is null. */
function complete(entity: AnyEntity, data: Fields): Fields {
  return Object.fromEntries(entity.columns.map(({ field }) => [field, data[field] ?? null]));
}

function checkTransition(
  fold: Fold,
  event: StoredEvent,
  change: { noun: string; verb: string; before: Fields | null; after: Fields },
): void {
  const { noun, verb, before, after } = change;
  if (before === null || after['state'] === undefined) return;
  const from = String(before['state']);
  if (!isAllowed(noun, verb, from)) fold.faults.push(`event ${event.seq} makes ${verb} of a ${noun} that is ${from}`);
}

function isAllowed(noun: string, verb: string, from: string): boolean {
  if (noun === 'job') return verb in JOB_TRANSITIONS && canMoveJob(from as JobState, verb as JobTransition);
  if (noun === 'attempt') return canMoveAttempt(from as AttemptState, verb as AttemptTransition);
  if (noun === 'repair')
    return verb in REPAIR_TRANSITIONS && canMoveRepair(from as RepairState, verb as RepairTransition);
  if (noun === 'backup')
    return verb in BACKUP_TRANSITIONS && canMoveBackup(from as BackupState, verb as BackupTransition);
  if (noun === 'rotation')
    return verb in ROTATION_TRANSITIONS && canMoveRotation(from as RotationState, verb as RotationTransition);
  if (noun === 'resource') {
    return verb in RESOURCE_TRANSITIONS && canMoveResource(from as ResourceState, verb as ResourceTransition);
  }
  return verb in DELIVERY_TRANSITIONS && canMoveDelivery(from as DeliveryState, verb as DeliveryTransition);
}

const OWNERS = [
  STORED_JOBS,
  REPAIRS,
  REPOSITORIES,
  STORED_BOOTS,
  TOKENS,
  ACCOUNTS,
  QUARANTINE,
  DELIVERIES,
  TARGETS,
  BACKUPS,
  ROTATIONS,
] as unknown as AnyEntity[];

/** The nouns whose rows carry a chain of their own. */
export function listOwners(): AnyEntity[] {
  return [...OWNERS];
}

/** Returns the entity whose row carries this chain, or null when its first event is not the one that makes it. */
export function findOwner(fold: Fold): AnyEntity | null {
  const owner = OWNERS.find((entity) => fold.rows.has(`${entity.noun} ${fold.subject}`));
  return owner ?? null;
}

/** Compares a folded chain with the rows in the tables; returns what differs, in words. */
export function compareWithRows(sql: Sql, fold: Fold): string[] {
  const faults = [...fold.faults];
  const owner = findOwner(fold);
  let own: Row | null = null;
  if (fold.removed) {
    faults.push(...compareTombstone(sql, fold));
  } else if (owner === null) {
    faults.push('its chain does not begin with the event that makes it');
  } else {
    // Read once for its head and its fields: every live job passes here at every start.
    own = sql.get(`SELECT ${owner.select} FROM ${owner.table} WHERE id = $1`, fold.subject);
    if (own === null) faults.push('its row is missing');
    else if (own['head'] !== fold.head) faults.push('its row does not hold the end of its chain');
  }
  for (const [name, { entity, record }] of fold.rows) {
    // A damaged lock says nothing against the job or repository in whose chain it is told of (damaged-locks.ts).
    if (entity.noun === 'lock') continue;
    const isOwn = own !== null && entity.noun === owner?.noun && record[entity.key] === fold.subject;
    const fault = compareRow(entity, record, isOwn ? own : readRow(sql, entity, record));
    if (fault !== null) faults.push(`${name}: ${fault}`);
  }
  return faults;
}

function compareTombstone(sql: Sql, fold: Fold): string[] {
  const row = sql.get('SELECT head, removed_at, cleared_at, cut_head FROM tombstones WHERE subject = $1', fold.subject);
  if (row?.['head'] !== fold.head) return ['its tombstone does not hold the end of its chain'];
  if (row['cut_head'] !== fold.cut) return ['its chain was not cut where its tombstone says'];
  // What has no files is cleared at once, without an event of its own.
  const isCleared =
    row['cleared_at'] === (fold.clearedAt ?? fold.removedAt) || (row['cleared_at'] === null && fold.clearedAt === null);
  return row['removed_at'] === fold.removedAt && isCleared ? [] : ['its tombstone does not say when it was removed'];
}

function readRow(sql: Sql, entity: AnyEntity, record: Fields): Row | null {
  const key = entity.columns.find(({ field }) => field === entity.key)?.column ?? entity.key;
  return sql.get(`SELECT ${entity.select} FROM ${entity.table} WHERE ${key} = $1`, String(record[entity.key]));
}

function compareRow(entity: AnyEntity, record: Fields, row: Row | null): string | null {
  if (row === null) return 'the journal knows it, the table does not';
  const different = entity.columns.filter(({ field, column, kind }) => row[column] !== encode(kind, record[field]));
  if (different.length === 0) return null;
  return `${different.map(({ field }) => field).join(', ')} differ between row and journal`;
}
