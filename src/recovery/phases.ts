/**
 * The recovery room owns the order of a start and the report of it. Phases are declared with what they need; the order
 * is worked out, and a cycle or an unknown name refuses to start and names it.
 */
import { delay } from '../kernel/backoff.ts';
import type { Clock } from '../kernel/clock.ts';
import { fail, isError } from '../kernel/errors.ts';
import type { Log } from '../kernel/log.ts';
import { messageOf } from '../kernel/result.ts';
import type { PhaseReport } from '../lifecycle/report.ts';

/** Waits before the second, third and fourth try of a critical phase, milliseconds (04). */
const RETRY_WAITS_MS = [1000, 2000, 4000];

/** Names a resource that is not available, and why; everything else stays on. */
export type Degrade = (resource: string, why: string) => void;

/** A resource that is not available. */
export interface Degraded {
  resource: string;
  why: string;
}

export interface Phase {
  name: string;
  /** Names of the phases that must have ended before. */
  after: readonly string[];
  /** A critical phase that keeps failing ends the server; another one only degrades it. */
  critical: boolean;
  /**
   * Does the work, which must be safe to repeat; returns counts for log and report. What it cannot make available it
   * names by `degrade` as a resource (`lock:repo-b`, `repository:app`) and goes on with the rest.
   */
  run(degrade: Degrade): Promise<Record<string, number>>;
}

export interface PhaseOptions {
  clock: Clock;
  log: Log;
  /** Told the name of each phase as it begins. */
  onBegin?: (name: string) => void | Promise<void>;
  retryWaitsMs?: readonly number[];
}

export interface PhasesResult {
  phases: PhaseReport[];
  /** Resources named by the phases, and `phase:<name>` for each that failed without being critical. */
  degraded: Degraded[];
}

/** Returns the phases in an order that respects `after`, otherwise as declared. Throws `internal` on a cycle or unknown name. */
export function orderPhases(phases: readonly Phase[]): Phase[] {
  const names = new Set(phases.map((phase) => phase.name));
  for (const phase of phases) {
    const unknown = phase.after.find((name) => !names.has(name));
    if (unknown !== undefined)
      throw fail('internal', `phase "${phase.name}" waits for "${unknown}", which does not exist`);
  }
  const ordered: Phase[] = [];
  const done = new Set<string>();
  while (ordered.length < phases.length) {
    const next = phases.find((phase) => !done.has(phase.name) && phase.after.every((name) => done.has(name)));
    if (next === undefined) {
      const stuck = phases.filter((phase) => !done.has(phase.name)).map((phase) => phase.name);
      throw fail('internal', `phases wait for each other: ${stuck.join(', ')}`);
    }
    ordered.push(next);
    done.add(next.name);
  }
  return ordered;
}

/** Runs the phases in order. Throws the error of a critical phase that failed for good. */
export async function runPhases(phases: readonly Phase[], options: PhaseOptions): Promise<PhasesResult> {
  const result: PhasesResult = { phases: [], degraded: [] };
  for (const phase of orderPhases(phases)) {
    await options.onBegin?.(phase.name);
    options.log.debug(`phase ${phase.name} begins`);
    const began = options.clock.monotonic();
    const { retries, error, counts, degraded } = await tryPhase(phase, options);
    result.degraded.push(...degraded);
    const ms = Math.round(options.clock.monotonic() - began);
    result.phases.push({ name: phase.name, ms, ok: error === null, retries, counts });
    if (error === null) {
      options.log.info(`phase ${phase.name} done in ${ms} ms`, counts);
      continue;
    }
    options.log.error(`phase ${phase.name} failed after ${ms} ms: ${messageOf(error)}`);
    if (phase.critical) throw error instanceof Error ? error : new Error(messageOf(error));
    result.degraded.push({ resource: `phase:${phase.name}`, why: messageOf(error) });
  }
  return result;
}

async function tryPhase(
  phase: Phase,
  options: PhaseOptions,
): Promise<{ retries: number; error: unknown; counts: Record<string, number>; degraded: Degraded[] }> {
  const waits = phase.critical ? (options.retryWaitsMs ?? RETRY_WAITS_MS) : [];
  for (let retries = 0; ; retries++) {
    // What a try that failed named is named again by the next one.
    const degraded: Degraded[] = [];
    const degrade: Degrade = (resource, why) => {
      options.log.warn(`${resource} is not available: ${why}`);
      degraded.push({ resource, why });
    };
    try {
      return { retries, error: null, counts: await phase.run(degrade), degraded };
    } catch (error) {
      const wait = waits[retries];
      if (wait === undefined || isFinal(error)) return { retries, error, counts: {}, degraded };
      options.log.warn(`phase ${phase.name} failed, next try in ${wait} ms: ${messageOf(error)}`);
      await delay(wait);
    }
  }
}

/** Errors a repetition cannot mend: somebody must act. */
function isFinal(error: unknown): boolean {
  return (
    ['home-held', 'home-unusable', 'store-corrupt', 'store-too-new', 'port-in-use', 'bad-config', 'bad-usage'] as const
  ).some((code) => isError(error, code));
}
