import { constants } from 'node:os';
import type { AgentExit, AgentOutcome, Summary } from './adapter.ts';

/**
 * Numbers for which `128 + n` is read as "ended by signal n". SIGSTKFLT is left out: Linux never sends it, and an exit
 * code of 144 is what one engine makes of HTTP status 400.
 */
const SIGNAL_NUMBERS = new Set<number>(
  Object.entries(constants.signals).flatMap(([name, number]) => (name === 'SIGSTKFLT' ? [] : [number])),
);

/** Whether the process was ended by a signal: the kernel says so, or a shell's `128 + signal` does. */
export function endedBySignal(exit: { code: number | null; signal: string | null }): boolean {
  return exit.signal !== null || (exit.code !== null && SIGNAL_NUMBERS.has(exit.code - 128));
}

/** Outcome of a plain command: only code 0 of a process nobody stopped is success; no exit known means interrupted. */
export function outcomeByCode(exit: AgentExit): AgentOutcome {
  if (exit === 'unknown' || exit.stoppedBy !== null || endedBySignal(exit)) return 'interrupted';
  return exit.code === 0 ? 'success' : 'agent-error';
}

/**
 * Outcome of an agent that ends with a final event: success = final ok and code 0 (or no exit known). Without a final
 * event, code 0 is an interruption too: some engines end so on SIGTERM. A session that cannot be resumed comes first,
 * because repeating it would fail for ever.
 */
export function outcomeByFinal(seen: Summary, exit: AgentExit): AgentOutcome {
  const final = seen.final;
  if (final?.cause === 'unresumable') return 'unresumable';
  const code = exit === 'unknown' ? 0 : exit.code;
  if (final?.ok === true && code === 0) return 'success';
  if (exit !== 'unknown' && (exit.stoppedBy !== null || endedBySignal(exit))) return 'interrupted';
  if (final === null) return code === 0 || code === null ? 'interrupted' : 'agent-error';
  if (final.cause === 'interrupted') return 'interrupted';
  return final.cause === 'api' ? 'api-error' : 'agent-error';
}
