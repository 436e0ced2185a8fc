import { messageOf } from '../kernel/result.ts';
import type { Parts } from './compose.ts';

/** Findings a report names; the rest is counted in the log and listed by `doctor`. */
const NAMED = 100;

/**
 * The part of phase 7 that is about what jobs left outside, which is removed in the background, because that may take
 * long and nobody waits for it; and about the backup a crash cut off.
 */
export async function cleanLeftovers({ ctx, resources, retention, backups }: Parts): Promise<Record<string, number>> {
  // First, so that a job which ends now is heard of, or already among those that are due.
  await resources.start();
  const due = await ctx.store.listDueResources();
  resources.sweep().catch((error: unknown) => ctx.log.warn(`resources cannot be swept: ${messageOf(error)}`));
  // Before work is accepted: what ends now must not seem old by a clock nobody compared.
  await retention.witness();
  return { resources: due.length, backups: await backups.settle() };
}

/**
 * Looks over the whole home once the server accepts work: removes temp files of a crash, goes on with repairs that one
 * cut off, and completes the report with what else is found. Throws when it cannot look.
 */
export async function settleOrphans({ ctx, orphans, state }: Parts): Promise<void> {
  const found = await orphans.settle(NAMED);
  const { unrecorded } = found;
  const removed = unrecorded.map((one) => ({ ...one, note: `removed: ${one.note}, more than a day ago` }));
  state.report = {
    ...state.report,
    orphans: [...found.items, ...removed].map(({ kind, path, identity, note }) => {
      return { kind, path: path ?? identity ?? '', note };
    }),
  };
  if (removed.length > 0) ctx.log.info(`removed ${removed.length} things that were sent for jobs and never recorded`);
  await ctx.store.updateBoot(ctx.boot, { report: state.report });
  if (found.total === 0) return;
  const counts = Object.entries(found.counts).flatMap(([kind, n]) => (n === 0 ? [] : [`${kind} ${n}`]));
  ctx.log.warn(
    `Orphans found: ${found.total}, ${found.ours} provably ours (${counts.join(', ')}); see \`holdfast doctor\``,
  );
}
