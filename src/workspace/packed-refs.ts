/**
 * `packed-refs` of a mirror, which git locks whenever a ref is deleted, wherever that ref lies. The refs of branches and
 * tags are changed under the lock of the repository; those of jobs are deleted without it, because a removal must not
 * wait for a fetch of an hour. So a lock file in a mirror says by itself neither that its owner lives nor that it is dead.
 */
import { createKeyedMutex } from '../kernel/keyed-mutex.ts';

const turns = createKeyedMutex();

/** Git's own wait for somebody else's lock, by default a second: a loaded disk takes that for one flush. */
export const PACKED_REFS = 'core.packedRefsTimeout=15000';

/**
 * Runs `body`, which deletes refs of a mirror or takes away its left lock files, when no other such body of this process
 * runs. With the lock of the repository, and once nothing of an earlier server deletes refs any more, a lock file that is
 * there then is of nobody who lives.
 */
export function inTurnWithPackedRefs<T>(mirrorDir: string, body: () => Promise<T>): Promise<T> {
  return turns.run(mirrorDir, body);
}
