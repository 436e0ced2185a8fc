/**
 * The check of history after a start: every record that can be checked, kind by kind, so slowly that nobody waits for it.
 * What is damaged is set aside with its reason, named in the report of this start, and blocks nobody. Other kinds of
 * records join by a `ScrubKind` of their own in the composition root.
 */
import type { Clock } from '../kernel/clock.ts';
import type { Log } from '../kernel/log.ts';
import { messageOf } from '../kernel/result.ts';
import type { Service } from '../kernel/service.ts';
import { isAlarming } from '../lifecycle/corruption-alert.ts';
import type { Corruption, RecoveryReport } from '../lifecycle/report.ts';
import type { NewQuarantine, QuarantineItem } from '../store/quarantine-store.ts';
import type { Store } from '../store/store.ts';
import { adviseOn } from './quarantine-advice.ts';

/** What a part of the check looked at. */
export interface ScrubPart {
  /** Records checked, by kind. */
  checked: Record<string, number>;
  found: NewQuarantine[];
}

/** Checks one sort of records. Rests between parts, and ends early when `signal` is aborted. */
export interface ScrubKind {
  name: string;
  run(take: (part: ScrubPart) => Promise<void>, signal: AbortSignal): Promise<void>;
}

/** Damaged records a report names; the quarantine lists all. */
const MAX_NAMED = 1000;

export interface ScrubOptions {
  store: Store;
  clock: Clock;
  log: Log;
  boot: string;
  kinds: readonly ScrubKind[];
  /** Keeps what is damaged from being worked with, before it is told of. */
  setAside: (found: readonly NewQuarantine[]) => Promise<void>;
  /** What the start itself found damaged. */
  atStart: () => readonly NewQuarantine[];
  /** Urls that are told of widespread damage. */
  callbacks: readonly string[];
  getReport: () => RecoveryReport;
  setReport: (report: RecoveryReport) => void;
}

/** Returns the check of history; `start` returns at once, `stop` ends it wherever it is. */
export function createScrub(options: ScrubOptions): Service {
  const stopping = new AbortController();
  let running: Promise<void> | null = null;
  return {
    async start() {
      running ??= scrub(options, stopping.signal).catch((error: unknown) => {
        if (!stopping.signal.aborted) options.log.error(`the check of history ended early: ${messageOf(error)}`);
      });
    },
    async stop() {
      stopping.abort();
      await running;
    },
  };
}

async function scrub(options: ScrubOptions, signal: AbortSignal): Promise<void> {
  const { log, clock, store } = options;
  const began = clock.monotonic();
  const tally = new Tally();
  const take = async (part: ScrubPart): Promise<void> => {
    if (signal.aborted) return;
    if (part.found.length > 0) await options.setAside(part.found);
    const items = part.found.length === 0 ? [] : await store.addQuarantine(part.found, options.boot);
    for (const { item, isNew } of items) {
      if (isNew) log.error(`quarantined ${item.kind} ${item.item}: ${item.why}`, { quarantine: item.id });
    }
    tally.add(
      part.checked,
      items.map((one) => one.item),
    );
    publish(options, tally, { complete: false, failed: [] });
  };
  await take({ checked: {}, found: [...options.atStart()] });
  const failed: string[] = [];
  for (const kind of options.kinds) {
    try {
      await kind.run(take, signal);
    } catch (error) {
      failed.push(`history could not be checked for ${kind.name}: ${messageOf(error)}`);
    }
    if (signal.aborted) return;
  }
  for (const warning of failed) log.warn(warning);
  publish(options, tally, { complete: true, failed });
  const report = options.getReport();
  // The alert is told in the transaction that keeps the report: once, and never lost.
  await store.updateBoot(report.bootId, { report }, options.callbacks);
  const { checked, corrupt } = report.corruption;
  const ms = Math.round(clock.monotonic() - began);
  log.info(`history checked in ${ms} ms: ${checked} records, ${corrupt} damaged`, report.corruption.kinds);
  if (report.corruption.alert === true) raiseCorruptionAlert(options, report);
}

/** Tells the log that so much is damaged that somebody must look now. */
function raiseCorruptionAlert({ log }: ScrubOptions, report: RecoveryReport): void {
  const { corrupt, checked, rate } = report.corruption;
  const text = `${corrupt} of ${checked} records (${(rate * 100).toFixed(1)} %) are damaged: look at the disk, then at \`holdfast recovery quarantine\``;
  if (log.fatal === undefined) log.error(text);
  else log.fatal(text);
}

function publish(
  options: ScrubOptions,
  tally: Tally,
  { complete, failed }: { complete: boolean; failed: readonly string[] },
): void {
  const before = options.getReport();
  const described = tally.describe(complete);
  const corruption = complete ? { ...described, alert: isAlarming(described) } : described;
  const isAlert = 'alert' in corruption && corruption.alert;
  const alert = isAlert ? [`critical: ${corruption.corrupt} of ${corruption.checked} records are damaged`] : [];
  // Until all is checked the report says at least what the start itself had found.
  const isLess = !complete && corruption.checked < before.corruption.checked;
  options.setReport({
    ...before,
    corruption: isLess ? { ...before.corruption, items: corruption.items ?? [] } : corruption,
    warnings: [...before.warnings, ...failed, ...alert],
  });
}

/** Counts by kind; a thing that is found twice counts once. */
class Tally {
  readonly #checked = new Map<string, number>();
  readonly #found = new Map<string, QuarantineItem>();

  add(checked: Record<string, number>, items: readonly QuarantineItem[]): void {
    for (const [kind, count] of Object.entries(checked))
      this.#checked.set(kind, (this.#checked.get(kind) ?? 0) + count);
    for (const item of items) {
      // What an operator has released stays as it is, on purpose.
      if (item.releasedAt === null) this.#found.set(`${item.kind} ${item.item}`, item);
    }
  }

  describe(complete: boolean): Corruption {
    const kinds: NonNullable<Corruption['kinds']> = {};
    for (const [kind, checked] of this.#checked) kinds[kind] = { checked, corrupt: 0 };
    for (const { kind } of this.#found.values()) {
      const known = (kinds[kind] ??= { checked: 0, corrupt: 0 });
      known.corrupt++;
      known.checked = Math.max(known.checked, known.corrupt);
    }
    const checked = Object.values(kinds).reduce((sum, one) => sum + one.checked, 0);
    const corrupt = this.#found.size;
    const named = [...this.#found.values()].slice(0, MAX_NAMED);
    return {
      checked,
      ok: checked - corrupt,
      corrupt,
      rate: checked === 0 ? 0 : corrupt / checked,
      files: named.map(({ kind, item, why }) => `${kind} ${item}: ${why}`),
      complete,
      kinds,
      items: named.map(describeItem),
    };
  }
}

function describeItem(item: QuarantineItem): NonNullable<Corruption['items']>[number] {
  const { id, kind, path, why, jobId } = item;
  const { action, command, advice } = adviseOn(item);
  return { id, kind, item: item.item, path, why, jobId, nextSafeAction: action, command, advice };
}
