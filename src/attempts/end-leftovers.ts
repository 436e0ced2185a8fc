import { connectKeeper } from '../keeper/connect.ts';
import { endStrays } from '../keeper/processes.ts';
import { delay } from '../kernel/backoff.ts';
import { fail } from '../kernel/errors.ts';
import type { AttemptContext } from './context.ts';

/** How long a keeper that answers may take to end with its agent, and then what is left, milliseconds. */
const DEADLINE_MS = 10_000;

/**
 * Ends whatever lives of a job that nobody follows, as is the case once it is quarantined: through a keeper that
 * answers (it may live where we cannot see it), then everything that carries a token of the job. Throws
 * `state-conflict` when something does not end: a record must not say of it that it is dead.
 */
export async function endLeftovers(ctx: AttemptContext, jobId: string): Promise<void> {
  for (const attempt of await ctx.store.listAttempts(jobId)) {
    const name = `attempt ${attempt.number} of job ${jobId}`;
    const ended = await endByKeeper(ctx.home.runDirectory(jobId, attempt.number));
    const { left } = await endStrays({ attempt: attempt.id, deadlineMs: DEADLINE_MS });
    if (left.length > 0) {
      throw fail('state-conflict', `${name} cannot be ended: ${left.map((one) => one.pid).join(', ')} live on`);
    }
    if (!ended) throw fail('state-conflict', `the keeper of ${name} does not end`);
  }
}

/** Returns false when a keeper has the socket open and goes on having it. */
async function endByKeeper(runDir: string): Promise<boolean> {
  const connection = await connectKeeper(runDir);
  if (connection === null) return true;
  try {
    // A stopped keeper never answers; that its connection ends is the only answer that counts.
    connection.kill('cancel').catch(() => undefined);
    return await Promise.race([connection.ended.then(() => true), delay(DEADLINE_MS).then(() => false)]);
  } finally {
    connection.close();
  }
}
