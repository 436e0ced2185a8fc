import type { AttemptContext } from '../attempts/context.ts';
import { serveHost } from '../keeper/processes.ts';
import { failpoint } from '../kernel/failpoints.ts';
import { messageOf } from '../kernel/result.ts';
import { beginBoot } from '../recovery/boot.ts';
import { endLeftDeletions, finishRemovals } from '../recovery/finish-removals.ts';
import type { Degrade, Phase } from '../recovery/phases.ts';
import { mendMirrors } from '../recovery/mend-mirrors.ts';
import { quarantineDamaged } from '../recovery/quarantine-damaged.ts';
import { countDamage, recoverAttempts } from '../recovery/recover-attempts.ts';
import { describeLeases, recoverLocks } from '../recovery/recover-locks.ts';
import { describeRecord } from '../recovery/scrub-kinds.ts';
import { recoverQueue } from '../recovery/recover-queue.ts';
import type { StoreCheck } from '../store/store.ts';
import { sweepRemovals } from '../workspace/discard-workspace.ts';
import { markChildren } from '../workspace/run-child.ts';
import { cleanLeftovers } from './clean-leftovers.ts';
import type { Parts } from './compose.ts';
import { describeFiles } from './damaged-files.ts';
import { settleHost } from './host-file.ts';
import { listen, type ListenAddress } from './listen.ts';
import { removeOldTemps } from './prepare-home.ts';
import { recoverCallbacks } from './recover-callbacks.ts';

/** Goes on deleting what earlier servers were told to delete, and what they had moved aside. */
async function sweep(ctx: AttemptContext, due: readonly string[]): Promise<void> {
  const { log } = ctx;
  const { removals } = ctx.home;
  try {
    await finishRemovals(ctx, due);
    const { removed, failed } = await sweepRemovals(removals);
    if (removed.length > 0) log.info(`removed ${removed.length} discarded directories`);
    for (const { name, why } of failed) log.warn(`${name} in ${removals} cannot be removed: ${why}`);
  } catch (error) {
    log.warn(`${removals} cannot be swept: ${messageOf(error)}`);
  }
}

/** From here on this process knows its own: what is of another home is nobody's here, whatever it is called. */
function beOf(ctx: AttemptContext, host: string): void {
  ctx.host = host;
  serveHost(host);
  markChildren(host);
}

/** Who waits for what: sources that did not answer are due again. Jobs keep their places by themselves. */
async function waiting({ ctx, sources }: Parts): Promise<Record<string, number>> {
  const asked = await sources.resume();
  failpoint('recovery.after-waiting');
  const places = await ctx.store.listPlaces();
  const { queued } = await ctx.store.countJobsByState();
  return { queued, repositories: places.length, asked };
}

/** Goes on with removals that are due. */
async function cleanUp(parts: Parts): Promise<Record<string, number>> {
  const { ctx } = parts;
  const due = await ctx.store.listRemovals();
  await endLeftDeletions(ctx, due);
  // Deleting may take long and nobody waits for it.
  void sweep(ctx, due);
  return { due: due.length, ...(await cleanLeftovers(parts)) };
}

/** The last look before work is accepted: what cannot be worked with is named. */
async function accept(parts: Parts, degrade: Degrade): Promise<Record<string, number>> {
  await parts.repositories.resumeClones();
  const repositories = await parts.ctx.store.listRepositories();
  for (const { name, unavailable } of repositories) {
    if (unavailable !== null) degrade(`repository:${name}`, unavailable);
  }
  return { repositories: repositories.length };
}

/**
 * The phases of a start after the guard (04 · Order of a start). Each may be tried again from its beginning; the
 * dispatcher is started by none of them.
 */
export function startPhases(parts: Parts, options: ListenAddress & { lastSignAt: number | null }): Phase[] {
  const { ctx, state } = parts;
  const { store, clock, log } = ctx;
  let corrupt: StoreCheck['corrupt'] = [];

  const openStore = async (): Promise<Record<string, number>> => {
    await store.start();
    const temps = await removeOldTemps(ctx.home, clock.now());
    const lastKnown = (await store.listBoots()).find((boot) => boot.host !== null)?.host ?? null;
    const host = await settleHost(ctx.home.hostFile, { lastKnown, now: clock.now() });
    beOf(ctx, host.id);
    const begun = await beginBoot({
      store,
      clock,
      log,
      report: state.report,
      bootId: ctx.boot,
      identity: ctx.identity,
      host: ctx.host,
      pid: parts.self.pid,
      lastSignAt: options.lastSignAt,
    });
    state.report = begun.report;
    corrupt = begun.corrupt;
    const witness = begun.witness === null ? [] : [{ kind: 'witness', id: 'holdfast.witness', why: begun.witness }];
    state.damaged.push(
      ...[...corrupt, ...witness].map((one) => describeRecord(one, ctx.home)),
      ...describeFiles([['host-file', ctx.home.hostFile, host.damage]]),
    );
    failpoint('recovery.after-boot-row');
    if (state.http === null) await listen(parts, options);
    failpoint('recovery.after-store');
    return { temps, checked: state.report.corruption.checked };
  };

  const queue = async (): Promise<Record<string, number>> => {
    state.damaged.push(...(await mendMirrors(ctx)));
    state.report.jobs.push(...(await quarantineDamaged(ctx, corrupt)));
    const findings = await recoverQueue(ctx, clock);
    state.report.jobs.push(...findings);
    failpoint('recovery.after-queue');
    return { requeued: findings.length };
  };

  const attempts = async (degrade: Degrade): Promise<Record<string, number>> => {
    await parts.supervisor.start();
    const findings = await recoverAttempts(ctx, parts.supervisor);
    state.report.jobs.push(...findings);
    state.report.corruption = countDamage(state.report.corruption, findings);
    state.report.leases = describeLeases(state.report.jobs);
    state.report.locks = await recoverLocks(ctx, parts.closing.signal, degrade);
    return { jobs: state.report.jobs.length, locks: state.report.locks.length };
  };

  return [
    { name: 'store', after: [], critical: true, run: openStore },
    { name: 'queue', after: ['store'], critical: true, run: queue },
    { name: 'attempts', after: ['queue'], critical: true, run: attempts },
    { name: 'waiting', after: ['attempts'], critical: false, run: () => waiting(parts) },
    { name: 'callbacks', after: ['attempts', 'waiting'], critical: false, run: recoverCallbacks(parts) },
    { name: 'clean-up', after: ['attempts', 'callbacks'], critical: false, run: () => cleanUp(parts) },
    { name: 'accept', after: ['attempts', 'clean-up'], critical: true, run: (degrade) => accept(parts, degrade) },
  ];
}
