import { readFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isAlive, readProcess, TICKS_PER_SECOND } from '../keeper/host-identity.ts';
import { RUN_FILES } from '../keeper/protocol.ts';
import { delay } from '../kernel/backoff.ts';
import type { Clock } from '../kernel/clock.ts';
import { errnoOf } from '../kernel/result.ts';
import type { ProcessIdentity } from '../lifecycle/attempt.ts';
import type { AttemptLimits } from '../lifecycle/job.ts';

/** How often an agent whose keeper died is looked at: nobody is left to tell us, milliseconds. */
const ORPHAN_POLL_MS = 500;

/** Which limit an orphan passed. */
export type PassedLimit = 'wall' | 'idle' | 'output';

interface Signs {
  bytes: number;
  cpuTicks: number;
  /** Monotonic milliseconds when either last changed. */
  changedAt: number;
}

/**
 * Watches an agent that lost its keeper until it is dead (null) or has passed a limit; the keeper's rules, held by the
 * server. The wall limit counts from the start of the process itself, by the kernel's clock, so restarts of the server
 * do not extend it; the idle limit counts from when this server began to watch.
 */
export async function watchOrphan(input: {
  agent: ProcessIdentity;
  runDir: string;
  limits: AttemptLimits;
  clock: Clock;
  signal: AbortSignal;
}): Promise<PassedLimit | null> {
  const { agent, limits, clock } = input;
  let signs: Signs = { bytes: -1, cpuTicks: -1, changedAt: clock.monotonic() };
  while (isAlive(agent)) {
    const bytes =
      (await sizeOf(join(input.runDir, RUN_FILES.output))) + (await sizeOf(join(input.runDir, RUN_FILES.stderr)));
    const cpuTicks = readProcess(agent.pid)?.cpuTicks ?? 0;
    if (bytes !== signs.bytes || cpuTicks !== signs.cpuTicks) signs = { bytes, cpuTicks, changedAt: clock.monotonic() };
    if (bytes > limits.outputBytes) return 'output';
    if (ageMs(agent) > limits.wallMs) return 'wall';
    if (clock.monotonic() - signs.changedAt > limits.idleMs) return 'idle';
    await delay(ORPHAN_POLL_MS, input.signal);
  }
  return null;
}

/** Milliseconds since a process of this boot started. */
function ageMs(identity: ProcessIdentity): number {
  const uptimeSeconds = Number.parseFloat(readFileSync('/proc/uptime', 'latin1'));
  return (uptimeSeconds - Number(identity.start) / TICKS_PER_SECOND) * 1000;
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return 0;
    throw error;
  }
}
