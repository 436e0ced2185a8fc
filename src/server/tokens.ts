import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { createDurableSync, readIfExists } from '../kernel/durable.ts';
import type { Clock } from '../kernel/clock.ts';
import { fail } from '../kernel/errors.ts';
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

/** Reads the token of the home, making it (0600) at the first start. */
export async function readOrCreateToken(path: string): Promise<string> {
  for (;;) {
    const known = await readIfExists(path);
    const text = known?.toString().trim() ?? '';
    if (text.length >= 16) return text;
    if (known !== null) throw fail('home-unusable', `${path} does not hold a token; remove it to get a new one`);
    createDurableSync(path, `hf_${randomBytes(32).toString('base64url')}\n`);
  }
}

/** Returns the check of bearer tokens against the home's own token, the store's tokens, and own-job tokens. */
export function createTokens({ secret, store, clock }: { secret: string; store: Store; clock: Clock }): Tokens {
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
      if (row === null || row.revokedAt !== null || (row.expiresAt ?? Infinity) <= clock.now()) return null;
      return { principal: `${row.accountId === null ? 'token' : 'account'}:${row.name}`, jobId: null };
    },
  };
}

/** Compares in a time that does not depend on where two texts differ. */
function sameText(a: string, b: string): boolean {
  return timingSafeEqual(Buffer.from(sha256(a)), Buffer.from(sha256(b)));
}
