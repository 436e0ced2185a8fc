import { endOperation } from '../keeper/processes.ts';
import { delay } from '../kernel/backoff.ts';
import { isError } from '../kernel/errors.ts';
import { lockKey } from '../lifecycle/lock-key.ts';
import type { Store } from '../store/store.ts';
import type { Lock } from '../store/waiting-store.ts';

/** Pause between looks at a lock held by somebody outside this process, milliseconds. Only recovery ends such a lock. */
const FOREIGN_LOCK_POLL_MS = 250;

export interface LockRequest {
  repository: string;
  /** Carried by every child process of the critical section as HOLDFAST_OP. */
  operation: string;
  jobId: string | null;
  signal: AbortSignal;
}

export interface RepositoryLocks {
  /** Runs `body` while holding the repository's persisted lock; callers in this process are served in order. */
  withLock<T>(request: LockRequest, body: () => Promise<T>): Promise<T>;
}

/** Returns the repository locks of this server; the row in the store is the truth, the queue only keeps order. */
export function createRepositoryLocks(options: {
  store: Store;
  boot: string;
  holder: { pid: number; start: string };
}): RepositoryLocks {
  const tails = new Map<string, Promise<void>>();
  /** Fences of the locks somebody in this process is using. */
  const held = new Set<number>();

  const acquire = async (request: LockRequest): Promise<Lock> => {
    for (;;) {
      request.signal.throwIfAborted();
      const lock = await options.store.acquireLock({
        key: lockKey('repo', request.repository),
        boot: options.boot,
        holder: options.holder,
        operation: request.operation,
        jobId: request.jobId,
      });
      if (lock !== null) return lock;
      // A lock of our own boot that nobody here uses is one that could not be released.
      const left = (await options.store.listLocks()).find((one) => one.key === lockKey('repo', request.repository));
      if (left !== undefined && left.boot === options.boot && !held.has(left.fence)) {
        // It may have been left because something of it could not be ended.
        if ((await endOperation(left.operation)).left.length === 0) {
          await options.store.releaseLock(left.key, left.fence);
          continue;
        }
      }
      await delay(FOREIGN_LOCK_POLL_MS, request.signal);
    }
  };

  /** Not when its last caller leaves: it may leave the line while others before it are still at work. */
  const forgetLine = async (repository: string, tail: Promise<void>): Promise<void> => {
    await tail;
    if (tails.get(repository) === tail) tails.delete(repository);
  };

  return {
    async withLock(request, body) {
      const before = tails.get(request.repository) ?? Promise.resolve();
      const { promise: done, resolve: release } = Promise.withResolvers<void>();
      const tail = before.then(() => done);
      tails.set(request.repository, tail);
      void forgetLine(request.repository, tail);
      try {
        await orAborted(before, request.signal);
        const lock = await acquire(request);
        held.add(lock.fence);
        let isOver = true;
        try {
          return await body();
        } catch (error) {
          // A child that outlives a failed or hanging operation must not meet the next holder.
          isOver = (await endOperation(request.operation)).left.length === 0;
          throw error;
        } finally {
          held.delete(lock.fence);
          // On a full disk the row stays, too; whoever comes next in this process takes it away.
          if (isOver) await options.store.releaseLock(lock.key, lock.fence).catch(ignoreFullDisk);
        }
      } finally {
        release();
      }
    },
  };
}

function ignoreFullDisk(error: unknown): void {
  if (!isError(error, 'storage-full')) throw error;
}

/** Waits for `turn`, or throws the signal's reason as soon as it is aborted: a cancelled job leaves the line. */
async function orAborted(turn: Promise<void>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const { promise: abort, resolve } = Promise.withResolvers<void>();
  const leave = (): void => resolve();
  signal.addEventListener('abort', leave, { once: true });
  await Promise.race([turn, abort]);
  signal.removeEventListener('abort', leave);
  signal.throwIfAborted();
}
