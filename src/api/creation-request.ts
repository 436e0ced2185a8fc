import type { FastifyRequest } from 'fastify';
import { canonicalJson, sha256 } from '../kernel/hash.ts';
import type { CreationRequest } from '../lifecycle/repository.ts';
import { callerOf } from './api.ts';

/**
 * Returns what tells a repetition of this request from another one under the same key, or null for a request without a
 * key. `asked` is what was asked for, as it was sent: never a password, whose hash must be a slow one.
 */
export function creationRequest(request: FastifyRequest, asked: unknown): CreationRequest | null {
  const key = request.headers['idempotency-key'];
  if (typeof key !== 'string') return null;
  return { principal: callerOf(request).principal, key, sha256: sha256(canonicalJson(asked)) };
}
