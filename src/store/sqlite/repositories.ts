/** Registered repositories. */
import { fail } from '../../kernel/errors.ts';
import { makeId } from './ids.ts';
import type { Repository } from '../../lifecycle/repository.ts';
import type { NewRepository, RepositoryPatch, Store } from '../store.ts';
import { REPOSITORIES, type Chained } from './entities.ts';
import { checkPatch, insertRecord, pickChanges, toChained, toRecord, updateRecord, withoutNulls } from './records.ts';
import { GENESIS, appendEvent } from './journal.ts';
import { findRepeated } from './requests.ts';
import { buryChain } from './tombstones.ts';
import type { Reader, Session } from './session.ts';

/** Actor of what the operator of this machine does without naming one. */
const OPERATOR = 'local';

/** Returns a repository by name, or null. */
export function getRepository(reader: Reader, name: string): Repository | null {
  const row = reader.sql.get(`SELECT ${REPOSITORIES.select} FROM repositories WHERE name = $1`, name);
  return row === null ? null : toRecord(REPOSITORIES, row);
}

/** Returns all repositories by name. */
export function listRepositories(reader: Reader): Repository[] {
  return reader.sql
    .all(`SELECT ${REPOSITORIES.select} FROM repositories ORDER BY name`)
    .map((row) => toRecord(REPOSITORIES, row));
}

/** Returns a repository with the head of its chain; throws `repository-not-found`. */
export function readRepository(reader: Reader, name: string): Chained<Repository> {
  const row = reader.sql.get(`SELECT ${REPOSITORIES.select} FROM repositories WHERE name = $1`, name);
  if (row === null) throw fail('repository-not-found', `there is no repository "${name}"`);
  return toChained(REPOSITORIES, row);
}

/** Registers a repository, or returns the one an earlier request with the same key made; throws `already-exists`. */
export function addRepository(session: Session, input: NewRepository): { repository: Repository; replayed: boolean } {
  const name = (known: Repository): string => `repository "${known.name}"`;
  const first = findRepeated(session, REPOSITORIES, { request: input.request, name });
  if (first !== null) return { repository: first, replayed: true };
  if (getRepository(session, input.name) !== null) {
    throw fail('already-exists', `there is a repository "${input.name}" already`, {
      hint: `Change it with \`holdfast repo update ${input.name}\`, or choose another name.`,
    });
  }
  const repository: Repository = {
    id: makeId('repo', session.at),
    name: input.name,
    source: input.source,
    sourceKind: input.sourceKind,
    base: input.base,
    verify: input.verify,
    merge: input.merge,
    pipeline: input.pipeline ?? null,
    push: input.push ?? null,
    trusted: input.trusted,
    concurrency: input.concurrency,
    command: input.command,
    cloneState: 'registered',
    unavailable: null,
    trouble: null,
    request: input.request ?? null,
    createdAt: session.at,
    updatedAt: session.at,
    version: 1,
  };
  const event = { actor: OPERATOR, kind: 'repository.add', ...subjectOf(repository), data: withoutNulls(repository) };
  const head = appendEvent(session, event, GENESIS);
  insertRecord(session.sql, REPOSITORIES, { record: repository, head });
  return { repository, replayed: false };
}

function subjectOf(repository: Repository): { subject: string; jobId: null; attemptId: null } {
  return { subject: repository.id, jobId: null, attemptId: null };
}

const PATCHABLE = new Set<string>([
  'base',
  'verify',
  'merge',
  'pipeline',
  'push',
  'trusted',
  'concurrency',
  'command',
  'cloneState',
  'unavailable',
  'trouble',
] satisfies (keyof RepositoryPatch)[]);

/** Changes a repository; nothing is written when nothing differs. */
export function updateRepository(
  session: Session,
  ...[name, patch, actor]: Parameters<Store['updateRepository']>
): Repository {
  const { record, head } = readRepository(session, name);
  const picked = pickChanges<Repository>(REPOSITORIES, record, checkPatch(patch, PATCHABLE));
  if (picked === null) return record;
  const changes = { ...picked, updatedAt: session.at, version: record.version + 1 };
  const event = { actor, kind: 'repository.update', ...subjectOf(record), data: changes };
  const update = { key: record.id, changes, head: appendEvent(session, event, head), guard: '', fence: null };
  if (!updateRecord(session.sql, REPOSITORIES, update)) throw fail('internal', `repository "${name}" did not change`);
  return { ...record, ...changes };
}

/** Removes a repository nothing works on; its chain stays, ended by a tombstone. */
export function removeRepository(session: Session, name: string, actor: string): void {
  const { record, head } = readRepository(session, name);
  const job = session.sql.get(
    `SELECT number, state FROM jobs WHERE finished_at IS NULL AND (repository = $1 OR
       (others IS NOT NULL AND EXISTS (SELECT 1 FROM json_each(others) WHERE value = $1))) LIMIT 1`,
    name,
  );
  if (job !== null)
    throw fail('repository-busy', `job ${String(job['number'])} of "${name}" is ${String(job['state'])}`);
  const lock = session.sql.get('SELECT key FROM locks WHERE key IN ($1, $2) LIMIT 1', `repo:${name}`, `tests:${name}`);
  if (lock !== null) throw fail('repository-busy', `its lock ${String(lock['key'])} is held`);
  const event = { actor, kind: 'repository.remove', ...subjectOf(record), data: {} };
  buryChain(session, record.id, appendEvent(session, event, head));
  session.sql.run('DELETE FROM repositories WHERE id = $1', record.id);
}
