import type { AttemptContext } from '../attempts/context.ts';
import { endOperation } from '../keeper/processes.ts';
import type { RecoveryReport } from '../lifecycle/report.ts';

/** How long leftover children of a dead holder may take to die, milliseconds. */
const LEFTOVER_DEADLINE_MS = 10_000;

/**
 * After the verdicts: this server holds the home, so every earlier one is dead; a lock of an earlier boot is taken away
 * once every child of its operation is verified dead too. A lock with a live child is never broken.
 */
export async function recoverLocks(ctx: AttemptContext): Promise<RecoveryReport['locks']> {
  const decisions: RecoveryReport['locks'] = [];
  let valid = 0;
  for (const lock of await ctx.store.listLocks()) {
    if (lock.boot === ctx.boot) {
      valid += 1;
      continue;
    }
    const { left } = await endOperation(lock.operation, LEFTOVER_DEADLINE_MS);
    if (left.length > 0) {
      valid += 1;
      decisions.push({
        key: lock.key,
        decision: 'kept',
        why: `${left.length} processes of ${lock.operation} cannot be ended`,
      });
      continue;
    }
    await ctx.store.releaseLock(lock.key, lock.fence);
    decisions.push({ key: lock.key, decision: 'removed', why: `its holder, process ${lock.holder.pid}, is dead` });
  }
  const removed = decisions.filter((one) => one.decision === 'removed').length;
  ctx.log.info(`Lock recovery: ${valid} valid, ${removed} stale, ${removed} from dead holders`);
  return decisions;
}
