import type { AttemptContext } from '../attempts/context.ts';
import { clearCommand, shutDamagedLocks } from '../attempts/shut-damaged-locks.ts';
import { isAlive } from '../keeper/host-identity.ts';
import { endOperation, scanProcesses } from '../keeper/processes.ts';
import { parseLockKey } from '../lifecycle/lock-key.ts';
import type { JobFinding, RecoveryReport } from '../lifecycle/report.ts';
import { isActive } from '../lifecycle/transitions.ts';
import type { Lock } from '../store/waiting-store.ts';
import { delay } from '../kernel/backoff.ts';
import { messageOf } from '../kernel/result.ts';
import type { Degrade } from './phases.ts';

/** How long leftover children of a dead holder may take to die, milliseconds. */
const LEFTOVER_DEADLINE_MS = 10_000;
/** A lock whose holder cannot be told dead or alive is stale after this long (issue: 10 min). */
const STALE_MS = 10 * 60_000;
/** Pause before locks that could not be taken away are judged again, milliseconds. */
const AGAIN_MS = 10_000;

type Holder = 'ours' | 'alive' | 'dead' | 'unknown';

interface Judged {
  lock: Lock;
  verdict: 'valid' | 'stale' | 'dead';
  why: string;
}

/**
 * After the verdicts on attempts: keeps the locks whose holder lives, takes away those whose holder is verified dead or
 * was not seen alive for ten minutes, once every child of their operation is dead too. A lock with a living holder or
 * child is never broken, but looked at again until it can be. A damaged one makes its repository unavailable.
 */
export async function recoverLocks(
  ctx: AttemptContext,
  signal: AbortSignal,
  degrade: Degrade,
): Promise<RecoveryReport['locks']> {
  const judged = await judgeLocks(ctx, ctx.clock.monotonic());
  const taken = judged.filter((one) => one.verdict !== 'valid');
  await Promise.all(taken.map(({ lock }) => ctx.store.releaseLock(lock.key, lock.fence, ctx.boot)));
  const damaged = await shutDamagedLocks(ctx);
  const dead = taken.filter((one) => one.verdict === 'dead').length;
  ctx.log.info(
    `Lock recovery: ${judged.length - taken.length} valid, ${taken.length} stale, ${dead} from dead holders`,
  );
  const kept = judged.filter((one) => one.verdict === 'valid' && one.lock.boot !== ctx.boot);
  for (const { lock, why } of kept) degrade(resourceOf(lock.key), why);
  for (const { key, why } of damaged) degrade(resourceOf(key), `${why}: ${clearCommand(key)}`);
  if (kept.length > 0) judgeAgain(ctx, signal);
  return [
    ...judged
      .filter((one) => one.lock.boot !== ctx.boot)
      .map(({ lock, verdict, why }) => ({
        key: lock.key,
        decision: verdict === 'valid' ? ('kept' as const) : ('removed' as const),
        why,
      })),
    ...damaged.map(({ key, why }) => ({ key, decision: 'kept' as const, why: `damaged: ${why}` })),
  ];
}

/** `lock:app` for the lock of the repository itself, else the kind is named too. */
function resourceOf(key: string): string {
  const parsed = parseLockKey(key);
  return parsed?.kind === 'repo' ? `lock:${parsed.repository}` : `lock:${key}`;
}

async function judgeLocks(ctx: AttemptContext, since: number): Promise<Judged[]> {
  const locks = await ctx.store.listLocks();
  const hostBoots = new Map((await ctx.store.listBoots()).map((boot) => [boot.id, boot.hostBoot]));
  const working = locks.some((lock) => lock.boot !== ctx.boot) ? listOperations() : new Set<string>();
  const judged: Judged[] = [];
  for (const lock of locks) {
    const holder = findHolder(ctx, lock, hostBoots.get(lock.boot) ?? null);
    judged.push(await judgeLock(ctx, { lock, holder, working, since }));
  }
  return judged;
}

/** One scan may miss a process that is just replacing its image. */
function listOperations(): Set<string> {
  return new Set([...scanProcesses().operations.keys(), ...scanProcesses().operations.keys()]);
}

/** The right to serve this home is ours, so an earlier server can at most be a process that does not know that yet. */
function findHolder(ctx: AttemptContext, lock: Lock, hostBoot: string | null): Holder {
  if (lock.boot === ctx.boot) return 'ours';
  if (hostBoot !== null && hostBoot !== ctx.identity.boot) return 'dead';
  try {
    if (!isAlive(lock.holder)) return 'dead';
  } catch {
    return 'unknown';
  }
  // Without the boot it was taken in, a pid and a start time may be those of another process after a reboot.
  return hostBoot === null ? 'unknown' : 'alive';
}

async function judgeLock(
  ctx: AttemptContext,
  known: { lock: Lock; holder: Holder; working: ReadonlySet<string>; since: number },
): Promise<Judged> {
  const { lock, holder, working, since } = known;
  const name = `process ${lock.holder.pid}`;
  if (holder === 'ours') return { lock, verdict: 'valid', why: 'this server holds it' };
  if (holder === 'alive') return { lock, verdict: 'valid', why: `its holder, ${name}, is alive` };
  // The clock may have been set back since: then the time this server has waited counts.
  const ageMs = Math.max(ctx.clock.now() - lock.acquiredAt, ctx.clock.monotonic() - since);
  if (holder === 'unknown' && ageMs < STALE_MS) {
    return { lock, verdict: 'valid', why: `whether its holder, ${name}, is alive cannot be told yet` };
  }
  if ([...working].some((operation) => operation.startsWith(lock.operation))) {
    const { left } = await endOperation(lock.operation, LEFTOVER_DEADLINE_MS);
    if (left.length > 0) {
      return { lock, verdict: 'valid', why: `${left.length} processes of ${lock.operation} cannot be ended` };
    }
  }
  if (holder === 'dead') return { lock, verdict: 'dead', why: `its holder, ${name}, is dead` };
  return { lock, verdict: 'stale', why: `no living holder for ${Math.round(ageMs / 60_000)} minutes` };
}

/** Looks at the locks that were kept until none is left: whoever waits for one must not wait for ever. */
function judgeAgain(ctx: AttemptContext, signal: AbortSignal): void {
  const began = ctx.clock.monotonic();
  const look = async (): Promise<void> => {
    while (!signal.aborted) {
      await delay(AGAIN_MS, signal);
      const judged = await judgeLocks(ctx, began);
      for (const { lock, verdict, why } of judged) {
        if (verdict === 'valid') continue;
        ctx.log.info(`lock ${lock.key} is taken away: ${why}`);
        await ctx.store.releaseLock(lock.key, lock.fence, ctx.boot);
      }
      if (judged.every((one) => one.verdict !== 'valid' || one.lock.boot === ctx.boot)) return;
    }
  };
  look().catch((error: unknown) => {
    if (!signal.aborted) ctx.log.warn(`locks that were kept are judged at the next start: ${messageOf(error)}`);
  });
}

/** What became of the rights of the jobs that were at work: each goes on with its job, or is free again. */
export function describeLeases(findings: readonly JobFinding[]): RecoveryReport['leases'] {
  return findings
    .filter((one) => isActive(one.stateBefore))
    .map((one) => ({
      key: `workspace:${one.id}`,
      decision: one.outcome === 'reattached' ? 'kept' : 'released',
      why: `job ${one.number} was ${one.stateBefore}: ${one.outcome}`,
    }));
}
