/** Bearer tokens made for people and programs: how one looks, and what is kept of it. */
import { randomBytes } from 'node:crypto';
import { sha256 } from '../kernel/hash.ts';

/** Returns a fresh token: 256 random bits, with a prefix that secret scanners can find. */
export function createToken(): string {
  return `hft_${randomBytes(32).toString('base64url')}`;
}

/** Returns what is stored of a token. A plain hash is enough: there is nothing in it to guess. */
export function hashToken(token: string): string {
  return sha256(token);
}
