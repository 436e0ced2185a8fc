import type { AttemptContext } from '../attempts/context.ts';
import { isAlive, isStopped } from '../keeper/host-identity.ts';
import { classifyHeartbeat, readSentinel } from '../keeper/sentinel.ts';
import type { Attempt } from '../lifecycle/attempt.ts';

/**
 * Whether the keeper of a running attempt lives and gives no sign of it: held by a signal, or its heartbeat is overdue.
 * For people only; nothing is decided by it.
 */
export async function isStalled(ctx: AttemptContext, attempt: Attempt): Promise<boolean> {
  const { keeper, state } = attempt;
  if (state !== 'running' || keeper === null || !isAlive(keeper)) return false;
  if (isStopped(keeper)) return true;
  const sentinel = await readSentinel(ctx.home.runDirectory(attempt.jobId, attempt.number), attempt.id);
  if (sentinel.kind !== 'ok') return false;
  return classifyHeartbeat(ctx.clock.now() - sentinel.record.lastHeartbeat, ctx.heartbeatAges) !== 'fresh';
}
