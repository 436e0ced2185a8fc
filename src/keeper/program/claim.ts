/** Step 5: exactly one process ever owns an attempt, and it is decided by link(). */
import { systemClock } from '../../kernel/clock.ts';
import { createDurableSync } from '../../kernel/durable.ts';
import type { HostIdentity, ProcessIdentity } from '../host-identity.ts';
import { RUN_FILES, decodeRecord, encodeRecord, type Claim } from '../protocol.ts';

/** Claims the attempt for this process; returns the sum of the claim, or null when somebody else owns or sealed it. */
export function claimAttempt(what: {
  attempt: string;
  host: string;
  identity: HostIdentity;
  self: ProcessIdentity;
}): string | null {
  const body: Claim = { host: what.host, ...what.identity, ...what.self, at: systemClock.now(), tombstone: false };
  const text = encodeRecord(what.attempt, body);
  return createDurableSync(RUN_FILES.claim, text) ? decodeRecord<Claim>(what.attempt, text).sum : null;
}
