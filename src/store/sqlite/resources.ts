/** External resources of jobs. Their events belong to the chain of their job. */
import { fail } from '../../kernel/errors.ts';
import {
  MAX_OPEN_RESOURCES,
  RESOURCE_STATES,
  RESOURCE_TRANSITIONS,
  canMoveResource,
} from '../../lifecycle/resource.ts';
import type { CreationRequest } from '../../lifecycle/repository.ts';
import type { Resource, ResourceState } from '../../lifecycle/resource.ts';
import { isTerminal } from '../../lifecycle/transitions.ts';
import type { NewResource, ResourceMove, ResourceQuery } from '../resource-store.ts';
import type { Page } from '../store.ts';
import { RESOURCES } from './entities.ts';
import { makeId } from './ids.ts';
import { appendEvent } from './journal.ts';
import { readJob, writeHead } from './jobs.ts';
import { insertRecord, toRecord, updateRecord, withoutNulls } from './records.ts';
import { findRepeated } from './requests.ts';
import type { Reader, Session } from './session.ts';
import type { Row, Value } from './sql.ts';

const MAX_PAGE = 200;
const SELECT = `SELECT ${RESOURCES.select} FROM resources`;

function rowToResource(row: Row): Resource {
  return toRecord(RESOURCES, row);
}

/** Returns a resource by id, or null. */
export function getResource(reader: Reader, id: string): Resource | null {
  const row = reader.sql.get(`${SELECT} WHERE id = $1`, id);
  return row === null ? null : rowToResource(row);
}

/** Returns what this request registered before, or null; throws `idempotency-conflict`. */
export function findRegistered(reader: Reader, request: CreationRequest | null): Resource | null {
  const name = ({ kind, target }: Resource): string => `the ${kind} ${target}`;
  return findRepeated(reader, RESOURCES, { request, name });
}

/** Registers a resource; the same one of the same job, or the same request, gives the row that is there. */
export function addResource(session: Session, input: NewResource): Resource {
  const { sql } = session;
  const { request = null } = input;
  const repeated = findRegistered(session, request);
  if (repeated !== null) return repeated;
  const job = readJob(session, input.jobId);
  if (isTerminal(job.record.state)) {
    throw fail('state-conflict', `job ${job.record.number} has ended: nothing would clean up after it`);
  }
  const known = sql.get(
    `${SELECT} WHERE kind = $1 AND identity = $2 AND removed_at IS NULL`,
    input.kind,
    input.identity,
  );
  if (known !== null) {
    const resource = rowToResource(known);
    if (resource.jobId === input.jobId) return resource;
    throw fail('already-exists', `this ${input.kind} is a resource of another job`);
  }
  const open = sql.get('SELECT count(*) AS n FROM resources WHERE job_id = $1 AND removed_at IS NULL', input.jobId);
  if (Number(open?.['n']) >= MAX_OPEN_RESOURCES) {
    throw fail('bad-request', `a job may have ${MAX_OPEN_RESOURCES} resources at once`);
  }
  const resource: Resource = {
    ...input,
    request,
    id: makeId('res', session.at),
    state: 'registered',
    tries: 0,
    note: null,
    registeredAt: session.at,
    removingAt: null,
    removedAt: null,
    version: 1,
  };
  writeEvent(session, resource, { actor: input.principal, verb: 'register', data: withoutNulls(resource) });
  insertRecord(sql, RESOURCES, { record: resource, head: null });
  return resource;
}

/** Carries out a transition; throws `not-found`, or `state-conflict` when the table, or the state of the job, forbids it. */
export function moveResource(session: Session, move: ResourceMove): Resource {
  const resource = getResource(session, move.id);
  if (resource === null) throw fail('not-found', `there is no resource ${move.id}`);
  const { transition } = move;
  if (!canMoveResource(resource.state, transition)) {
    throw fail('state-conflict', `the ${resource.kind} ${resource.target} is ${resource.state}`);
  }
  if (move.onlyEnded === true && !isTerminal(readJob(session, resource.jobId).record.state)) {
    throw fail('state-conflict', 'its job has not ended');
  }
  const changes: Partial<Resource> = {
    state: RESOURCE_TRANSITIONS[transition].to,
    note: move.note,
    version: resource.version + 1,
    ...(transition === 'begin' ? { tries: resource.tries + 1, removingAt: session.at } : {}),
    ...(transition === 'finish' || transition === 'forget' ? { removedAt: session.at } : {}),
  };
  writeEvent(session, resource, { actor: move.actor, verb: transition, data: { id: resource.id, ...changes } });
  const guard = ` AND state = '${resource.state}'`;
  if (!updateRecord(session.sql, RESOURCES, { key: resource.id, changes, head: null, guard, fence: null })) {
    throw fail('internal', `resource ${resource.id} did not change`);
  }
  return { ...resource, ...changes };
}

function writeEvent(
  session: Session,
  { jobId }: Resource,
  { actor, verb, data }: { actor: string; verb: string; data: object },
): void {
  const job = readJob(session, jobId);
  const event = { actor, kind: `resource.${verb}`, subject: jobId, jobId, attemptId: null, data };
  writeHead(session, job, appendEvent(session, event, job.head));
}

/** Returns a page of resources, oldest first: of one job all of them, of all jobs the open ones. */
export function listResources(reader: Reader, query: ResourceQuery): Page<Resource> {
  const limit = Math.min(Math.max(1, Math.floor(query.limit)), MAX_PAGE);
  const values: Value[] = [query.cursor ?? ''];
  const where = query.jobId === undefined ? 'removed_at IS NULL AND id > $1' : 'id > $1 AND job_id = $2';
  if (query.jobId !== undefined) values.push(query.jobId);
  values.push(limit + 1);
  const rows = reader.sql.all(`${SELECT} WHERE ${where} ORDER BY id LIMIT $${values.length}`, ...values);
  const items = rows.slice(0, limit).map(rowToResource);
  return { items, nextCursor: rows.length > limit ? (items.at(-1)?.id ?? null) : null };
}

/** Returns every resource whose removal is due: of an ended job, or begun and not ended. Reads open ones only. */
export function listDueResources(reader: Reader): Resource[] {
  const rows = reader.sql.all(
    `SELECT ${RESOURCES.select
      .split(', ')
      .map((name) => `resources.${name}`)
      .join(', ')}
     FROM resources JOIN jobs ON jobs.id = resources.job_id
     WHERE resources.removed_at IS NULL AND (resources.state = 'removing' OR jobs.finished_at IS NOT NULL)
     ORDER BY resources.id`,
  );
  return rows.map(rowToResource);
}

/** Returns how many resources are in each state but `removed`. */
export function countResources(reader: Reader): Record<Exclude<ResourceState, 'removed'>, number> {
  const counts = Object.fromEntries(RESOURCE_STATES.map((state) => [state, 0])) as Record<ResourceState, number>;
  const rows = reader.sql.all('SELECT state, count(*) AS n FROM resources WHERE removed_at IS NULL GROUP BY state');
  for (const row of rows) counts[row['state'] as ResourceState] = Number(row['n']);
  const { registered, removing, failed } = counts;
  return { registered, removing, failed };
}
