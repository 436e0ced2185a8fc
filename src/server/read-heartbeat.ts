import type { AttemptRef, Heartbeat } from '../api/services.ts';
import type { AttemptContext } from '../attempts/context.ts';
import { classifyHeartbeat, readSentinel } from '../keeper/sentinel.ts';

/** Returns what the keeper of an attempt wrote last; null when nothing is there or it cannot be trusted. */
export async function readHeartbeat(
  ctx: AttemptContext,
  attempt: AttemptRef & { id: string },
): Promise<Heartbeat | null> {
  const reading = await readSentinel(ctx.home.runDirectory(attempt.jobId, attempt.number), attempt.id);
  if (reading.kind !== 'ok') return null;
  const { lastHeartbeat, pid, startTime, agentEngine, sessionId, outputBytes } = reading.record;
  const health = classifyHeartbeat(ctx.clock.now() - lastHeartbeat, ctx.heartbeatAges);
  return { lastHeartbeatAt: lastHeartbeat, health, pid, startTime, agent: agentEngine, sessionId, outputBytes };
}
