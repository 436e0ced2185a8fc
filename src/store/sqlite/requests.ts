/** Creating requests that come twice: the row that was made by the first carries the key and the hash of it. */
import { fail } from '../../kernel/errors.ts';
import type { CreationRequest } from '../../lifecycle/repository.ts';
import type { Entity } from './entities.ts';
import { toRecord } from './records.ts';
import type { Reader } from './session.ts';

/**
 * Returns what an earlier request of this principal with this key made, or null. Throws `idempotency-conflict` when that
 * was another request; `name` says in words what it made.
 */
export function findRepeated<T extends { request: CreationRequest | null }>(
  { sql }: Pick<Reader, 'sql'>,
  entity: Entity<T>,
  { request, name }: { request: CreationRequest | null | undefined; name: (first: T) => string },
): T | null {
  if (request === null || request === undefined) return null;
  const row = sql.get(
    `SELECT ${entity.select} FROM ${entity.table}
     WHERE request IS NOT NULL AND request ->> 'principal' = $1 AND request ->> 'key' = $2`,
    request.principal,
    request.key,
  );
  if (row === null) return null;
  const first = toRecord(entity, row);
  if (first.request?.sha256 === request.sha256) return first;
  throw fail('idempotency-conflict', `the key already belongs to ${name(first)}, made by another request`);
}
