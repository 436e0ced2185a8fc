import { parseLockKey } from '../lifecycle/lock-key.ts';
import type { DamagedLock } from '../store/waiting-store.ts';
import type { AttemptContext } from './context.ts';

/** Begin of the reason a repository is unavailable for, by which it is known again when the lock is cleared. */
const REASON = 'its lock ';

/** Returns the command that clears a lock. */
export function clearCommand(key: string): string {
  return `holdfast locks clear ${key}`;
}

/**
 * Takes every repository with a damaged lock out of use, with the command that puts it back, and puts those back whose
 * locks are sound again. Jobs of others go on; jobs of these wait with that reason. Returns the damaged locks.
 */
export async function shutDamagedLocks(ctx: AttemptContext): Promise<DamagedLock[]> {
  const damaged = await ctx.store.listDamagedLocks();
  const byRepository = new Map<string, DamagedLock>();
  for (const lock of damaged) byRepository.set(parseLockKey(lock.key)?.repository ?? '', lock);
  for (const { repository, unavailable } of await ctx.store.listPlaces()) {
    const lock = byRepository.get(repository);
    if (lock !== undefined) {
      const reason = `${REASON}${lock.key} is damaged (${lock.why}); when nothing works on it: ${clearCommand(lock.key)}`;
      if (unavailable === null) ctx.log.error(`repository ${repository} is unavailable: ${reason}`);
      if (unavailable === null || unavailable.startsWith(REASON))
        await ctx.store.updateRepository(repository, { unavailable: reason }, 'recovery');
    } else if (unavailable?.startsWith(REASON) === true) {
      await ctx.store.updateRepository(repository, { unavailable: null }, 'recovery');
    }
  }
  return damaged;
}
