import type { Clock } from '../kernel/clock.ts';
import type { Log } from '../kernel/log.ts';
import type { Backup } from '../lifecycle/backup.ts';
import type { PhaseReport, PreviousStop, RecoveryReport } from '../lifecycle/report.ts';
import type { Boot, Store, StoreCheck } from '../store/store.ts';

/** Returns the report of a start that has found nothing yet. */
export function emptyReport(bootId: string): RecoveryReport {
  return {
    bootId,
    previousBootId: null,
    previousStop: 'unknown',
    downSeconds: null,
    recoveryMs: 0,
    phases: [],
    jobs: [],
    locks: [],
    leases: [],
    deliveries: [],
    removals: [],
    orphans: [],
    corruption: { checked: 0, ok: 0, corrupt: 0, rate: 0, files: [], complete: false },
    degraded: [],
    warnings: [],
  };
}

/** How the previous start ended: said by its own row, or told from the kernel's boot id. */
function classifyPreviousStop(previous: Boot | null, hostBoot: string): PreviousStop {
  if (previous === null) return 'unknown';
  if (previous.stoppedAt !== null) return 'clean';
  return previous.hostBoot === hostBoot ? 'crash' : 'reboot';
}

export interface BeginBoot {
  store: Store;
  clock: Clock;
  log: Log;
  report: RecoveryReport;
  bootId: string;
  identity: { boot: string };
  /** Random id of this home's host. */
  host: string;
  pid: number;
  /** When the previous server was last known alive, or null. */
  lastSignAt: number | null;
}

/** Records this start and checks the live records; returns the report with both in it, and what is damaged. Can be repeated. */
export async function beginBoot(input: BeginBoot): Promise<{
  report: RecoveryReport;
  corrupt: StoreCheck['corrupt'];
  witness: string | null;
}> {
  const { store, log } = input;
  const boots = await store.listBoots();
  const previous = boots.find((boot) => boot.id !== input.bootId) ?? null;
  // Starts before it were of another home.
  const restore = await store.findFreshRestore(input.bootId);
  const previousStop = restore === null ? classifyPreviousStop(previous, input.identity.boot) : 'unknown';
  const now = input.clock.now();
  if (!boots.some((boot) => boot.id === input.bootId)) {
    await store.recordBoot({
      id: input.bootId,
      previousId: previous?.id ?? null,
      hostBoot: input.identity.boot,
      host: input.host,
      pid: input.pid,
      startedAt: now,
      previousStop,
    });
  }
  const check = await store.checkLive();
  const warnings: string[] = [];
  if (restore === null && previous !== null && previous.readyAt === null && previous.stoppedAt === null) {
    const aborted = input.report.abortedStarts?.find((one) => one.bootId === previous.id);
    const where = aborted === undefined ? '' : `: it ended in phase ${aborted.phase}`;
    warnings.push(`the previous start ${previous.id} did not finish its recovery${where}`);
  }
  if (check.witness !== null) warnings.push(check.witness);
  for (const one of check.corrupt) warnings.push(`${one.kind} ${one.id}: ${one.why}`);
  for (const warning of warnings) log.warn(warning);
  const restored = restore === null ? {} : { restored: describeRestore(restore) };
  if (restore !== null) log.warn(`this home was made from backup ${restore.id}: ${restore.note ?? ''}`);
  const lastSignAt = restore === null ? (previous?.stoppedAt ?? input.lastSignAt) : null;
  const report = {
    ...input.report,
    ...restored,
    previousBootId: previous?.id ?? null,
    previousStop,
    downSeconds: lastSignAt === null ? null : Math.max(0, Math.round((now - lastSignAt) / 1000)),
    corruption: {
      checked: check.checked,
      ok: check.checked - check.corrupt.length,
      corrupt: check.corrupt.length,
      rate: check.checked === 0 ? 0 : check.corrupt.length / check.checked,
      files: check.corrupt.map((one) => `${one.kind} ${one.id}`),
      // Only live records are looked at here; history is for a later, slower look.
      complete: false,
    },
    warnings,
  };
  return { report, corrupt: check.corrupt, witness: check.witness };
}

function describeRestore(backup: Backup): NonNullable<RecoveryReport['restored']> {
  const { id, intendedAt, endedAt, note } = backup;
  return { backupId: id, madeAt: intendedAt, restoredAt: endedAt ?? 0, note: note ?? '' };
}

/** Closes the report of this start and keeps it. */
export async function finishReport(input: {
  store: Store;
  clock: Clock;
  report: RecoveryReport;
  recoveryMs: number;
  phases: PhaseReport[];
  degraded: string[];
  /** Urls that are told of it. */
  callbacks: readonly string[];
}): Promise<RecoveryReport> {
  const report = { ...input.report, recoveryMs: input.recoveryMs, phases: input.phases, degraded: input.degraded };
  await input.store.updateBoot(report.bootId, { readyAt: input.clock.now(), report }, input.callbacks);
  return report;
}
