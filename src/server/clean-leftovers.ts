import { messageOf } from '../kernel/result.ts';
import type { Parts } from './compose.ts';

/**
 * The part of phase 7 that is about what jobs left outside: what is due is removed in the background, because that may
 * take long and nobody waits for it.
 */
export async function cleanLeftovers({ ctx, resources }: Parts): Promise<Record<string, number>> {
  // First, so that a job which ends now is heard of, or already among those that are due.
  await resources.start();
  const due = await ctx.store.listDueResources();
  resources.sweep().catch((error: unknown) => ctx.log.warn(`resources cannot be swept: ${messageOf(error)}`));
  return { resources: due.length };
}
