/** Bearer tokens: how one is made, what is kept of it, and how a presented one is compared. */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { sha256 } from '../kernel/hash.ts';

/** Returns a fresh token: 256 random bits, with a prefix that secret scanners can find. */
export function createToken(): string {
  return `hft_${randomBytes(32).toString('base64url')}`;
}

/** Returns what is stored of a token. A plain hash is enough: it has nothing to guess. */
export function hashToken(token: string): string {
  return sha256(token);
}

/**
 * Returns the candidate whose hash (`sha256`, hex) is that of `token`, or null. Looks at every candidate and compares
 * in constant time, so that the answer's delay tells nothing.
 */
export function matchToken<T extends { sha256: string }>(token: string, candidates: readonly T[]): T | null {
  const presented = Buffer.from(hashToken(token), 'hex');
  let found: T | null = null;
  for (const candidate of candidates) {
    const known = Buffer.from(candidate.sha256, 'hex');
    if (known.length === presented.length && timingSafeEqual(known, presented)) found = candidate;
  }
  return found;
}
