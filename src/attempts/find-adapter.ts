import type { AgentAdapter } from '../agents/adapter.ts';
import { isError } from '../kernel/errors.ts';
import type { AttemptContext } from './context.ts';

/** Returns the adapter of an agent, or null when it is not configured any more: what runs of it is still followed. */
export function findAdapter(ctx: AttemptContext, agent: string): AgentAdapter | null {
  try {
    return ctx.agents.get(agent);
  } catch (error) {
    if (isError(error, 'unknown-agent')) return null;
    throw error;
  }
}
