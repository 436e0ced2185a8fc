import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { createDurableSync, readIfExists, renameDurable } from '../kernel/durable.ts';
import type { Clock } from '../kernel/clock.ts';
import { sha256 } from '../kernel/hash.ts';
import { isTerminal } from '../lifecycle/transitions.ts';
import type { Store } from '../store/store.ts';

/** What a bearer token stands for. `jobId` is set for an agent's own-job token. */
export interface Principal {
  principal: string;
  jobId: string | null;
}

export interface Tokens {
  /** Null for a token that is unknown, revoked, or of a job that has ended. */
  authenticate(token: string): Promise<Principal | null>;
  /** The token an agent may use for its own job; worked out from the home's secret, so nothing is stored. */
  jobToken(jobId: string): string;
}

/** Characters a made token ends with, worked out from those before: a flipped bit is told from another token. */
const CHECK_CHARS = 6;
const MADE = /^hf_[\w-]{43}[0-9a-f]{6}$/;
/** A token an operator wrote has at least this many characters. */
const SHORTEST = 16;

function makeToken(): string {
  const body = `hf_${randomBytes(32).toString('base64url')}`;
  return body + sha256(body).slice(0, CHECK_CHARS);
}

function isDamaged(text: string): boolean {
  if (text.length < SHORTEST || !/^[\x21-\x7e]+$/.test(text)) return true;
  if (!text.startsWith('hf_') || text.length !== makeToken().length) return false;
  return !MADE.test(text) || sha256(text.slice(0, -CHECK_CHARS)).slice(0, CHECK_CHARS) !== text.slice(-CHECK_CHARS);
}

/** Says what is wrong with the file of the token; null when it is whole or not there. Changes nothing. */
export async function inspectToken(path: string): Promise<string | null> {
  const known = await readIfExists(path);
  return known !== null && isDamaged(known.toString().trim()) ? 'it is not a token any more' : null;
}

/**
 * Reads the token of the home, making it (0600) at the first start. One that is damaged is kept beside it and replaced:
 * nobody could prove himself by it any more; `damage` then says so.
 */
export async function readOrCreateToken(path: string): Promise<{ token: string; damage: string | null }> {
  let damage: string | null = null;
  for (;;) {
    const known = await readIfExists(path);
    const token = known?.toString().trim() ?? '';
    if (known !== null && !isDamaged(token)) return { token, damage };
    if (known === null) {
      createDurableSync(path, `${makeToken()}\n`);
      continue;
    }
    const kept = `${path}.damaged-${sha256(known).slice(0, 12)}`;
    damage = `it is not a token any more; a new one was made, the old file is kept as ${kept}`;
    await renameDurable(path, kept);
  }
}

/**
 * Returns the check of bearer tokens against the home's own token, the store's tokens, and own-job tokens. A token this
 * start distrusts is refused: its damaged row may have forgotten that it was revoked.
 */
export function createTokens(input: {
  secret: string;
  store: Store;
  clock: Clock;
  distrusts: (tokenId: string) => boolean;
}): Tokens {
  const { secret, store, clock, distrusts } = input;
  const jobToken = (jobId: string): string => {
    const mac = createHmac('sha256', secret).update(`job-token:${jobId}`).digest('base64url');
    return `hfj_${jobId}.${mac}`;
  };
  return {
    jobToken,
    async authenticate(token) {
      if (sameText(token, secret)) return { principal: 'local', jobId: null };
      const jobId = /^hfj_(job_[0-9a-z]+)\./.exec(token)?.[1];
      if (jobId !== undefined) {
        if (!sameText(token, jobToken(jobId))) return null;
        const job = await store.getJob(jobId);
        return job === null || isTerminal(job.state) ? null : { principal: `job:${jobId}`, jobId };
      }
      const hash = sha256(token);
      // Found by its hash: what a guess takes tells something about hashes, nothing about tokens.
      const row = await store.findToken(hash);
      if (row !== null && distrusts(row.id)) return null;
      if (row === null || row.revokedAt !== null || (row.expiresAt ?? Infinity) <= clock.now()) return null;
      return { principal: `${row.accountId === null ? 'token' : 'account'}:${row.name}`, jobId: null };
    },
  };
}

/** Compares in a time that does not depend on where two texts differ. */
function sameText(a: string, b: string): boolean {
  return timingSafeEqual(Buffer.from(sha256(a)), Buffer.from(sha256(b)));
}
