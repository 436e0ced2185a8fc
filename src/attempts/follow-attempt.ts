import { watch, type FSWatcher } from 'node:fs';
import { join } from 'node:path';
import { connectKeeper, type KeeperConnection } from '../keeper/connect.ts';
import { isAlive } from '../keeper/host-identity.ts';
import { RUN_FILES } from '../keeper/protocol.ts';
import { delay } from '../kernel/backoff.ts';
import { errnoOf } from '../kernel/result.ts';
import type { ProcessIdentity } from '../lifecycle/attempt.ts';
import { exists } from '../workspace/remove-tree.ts';

/** Fallback where inotify is used up or an event was missed, milliseconds. */
const FALLBACK_POLL_MS = 1000;
/** How often a keeper that is ending is looked at, milliseconds. */
const ENDING_POLL_MS = 20;
/** How long a launched keeper may take to claim, milliseconds: a hundred starting at once took 15 s on two cores. */
const CLAIM_TIMEOUT_MS = 60_000;

/**
 * Resolves when something in the run directory changes, after `FALLBACK_POLL_MS` at the latest. Rejects when aborted.
 * Call it before looking, await it after, so that no change falls between.
 */
function nextChange(runDir: string, signal: AbortSignal): { wait: () => Promise<void>; close: () => void } {
  const { promise: changed, resolve } = Promise.withResolvers<void>();
  let watcher: FSWatcher | null = null;
  try {
    watcher = watch(runDir, () => resolve());
    watcher.on('error', () => resolve());
  } catch (error) {
    // EMFILE, ENOSPC: the inotify instances or watches of this user are used up; the poll carries on alone.
    if (!['EMFILE', 'ENOSPC', 'ENOENT'].includes(errnoOf(error) ?? '')) throw error;
  }
  const stopped = new AbortController();
  const poll = delay(FALLBACK_POLL_MS, AbortSignal.any([signal, stopped.signal]));
  poll.catch(() => undefined);
  return {
    wait: () => Promise.race([changed, poll]),
    close: () => {
      watcher?.close();
      stopped.abort();
    },
  };
}

/**
 * Waits until a launched keeper has claimed the attempt or written why it will not, `CLAIM_TIMEOUT_MS` at most: whatever
 * is there then, the verdict says what it means, and an unclaimed attempt is sealed against a keeper that is only slow.
 */
export async function awaitClaim(runDir: string, signal: AbortSignal): Promise<void> {
  const timeout = AbortSignal.timeout(CLAIM_TIMEOUT_MS);
  while (!timeout.aborted) {
    const change = nextChange(runDir, signal);
    try {
      if ((await exists(join(runDir, RUN_FILES.claim))) || (await exists(join(runDir, RUN_FILES.exit)))) return;
      await change.wait();
    } finally {
      change.close();
    }
  }
}

/**
 * Waits until the keeper answers, has recorded the end or is dead; returns the connection, or null when there is nothing
 * left to listen to.
 */
export async function awaitKeeper(input: {
  runDir: string;
  isKeeperAlive: () => boolean;
  signal: AbortSignal;
}): Promise<KeeperConnection | null> {
  for (;;) {
    input.signal.throwIfAborted();
    const change = nextChange(input.runDir, input.signal);
    try {
      const connection = await connectKeeper(input.runDir);
      if (connection !== null) return connection;
      if (!input.isKeeperAlive() || (await exists(join(input.runDir, RUN_FILES.exit)))) return null;
      await change.wait();
    } finally {
      change.close();
    }
  }
}

/** Waits until a process is dead, by identity, for `limitMs` at most; returns whether it is. */
export async function awaitDeath(identity: ProcessIdentity, limitMs: number, signal: AbortSignal): Promise<boolean> {
  for (const until = performance.now() + limitMs; isAlive(identity);) {
    if (performance.now() >= until) return false;
    await delay(ENDING_POLL_MS, signal);
  }
  return true;
}
