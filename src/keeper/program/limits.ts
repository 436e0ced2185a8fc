/**
 * The limits of an attempt, on the monotonic clock, kept with no server alive. Idle means: no new byte of output and no
 * CPU time used by any process of the attempt.
 */
import { writeDurableSync } from '../../kernel/durable.ts';
import { systemClock } from '../../kernel/clock.ts';
import { TICKS_PER_SECOND, type ProcessIdentity } from '../host-identity.ts';
import { findAttempt, scanProcesses } from '../processes.ts';
import { RUN_FILES, encodeRecord, type Limits, type LimitsRecord } from '../protocol.ts';
import type { StopCause } from './stopper.ts';

/** How often sizes and times are looked at; finer when a limit is short. */
const LOOK_MS = 1000;
const SHORTEST_LOOK_MS = 25;
/**
 * CPU use below this share of the time since the last sign of life is no life: the timers of an agent that hangs forever
 * on a socket stay below it, a tool that starts a command every ten seconds to wait for something stays above.
 */
const CPU_SHARE = 0.0005;

/** Watches one agent from go on. */
export class LimitWatch {
  readonly #attempt: string;
  readonly #agent: ProcessIdentity;
  readonly #startedAt = systemClock.monotonic();
  #limits: Limits;
  #bytes = 0;
  #aliveAt = this.#startedAt;
  #cpuSeen = new Map<string, number>();
  #cpuUsed = 0;
  #cpuLookAt = this.#startedAt;
  #hasBaseline = false;

  constructor(attempt: string, agent: ProcessIdentity, limits: Limits) {
    this.#attempt = attempt;
    this.#agent = agent;
    this.#limits = { ...limits };
  }

  /** How often `look` should be called, milliseconds. */
  get lookMs(): number {
    const shortest = Math.min(this.#limits.wallMs, this.#limits.idleMs) / 20;
    return Math.min(LOOK_MS, Math.max(SHORTEST_LOOK_MS, shortest));
  }

  /** Returns why the agent must be stopped now, or null. `bytes` is the size of all its output. */
  look(bytes: number): StopCause | null {
    const now = systemClock.monotonic();
    const { wallMs, idleMs, outputBytes } = this.#limits;
    if (bytes !== this.#bytes) this.#showLife(now, bytes);
    if (bytes > outputBytes) return { stoppedBy: 'output', reason: `more than ${outputBytes} bytes of output` };
    if (now - this.#startedAt >= wallMs) return { stoppedBy: 'wall', reason: `ran for ${wallMs} ms` };
    this.#lookAtCpu(now);
    if (now - this.#aliveAt < idleMs) return null;
    return { stoppedBy: 'idle', reason: `neither output nor CPU time used for ${idleMs} ms` };
  }

  /** Raises limits, durably before they count. Throws when they cannot be written; then nothing changed. */
  extend(wanted: { wallMs?: number; idleMs?: number }): void {
    const wallMs = Math.max(this.#limits.wallMs, wanted.wallMs ?? 0);
    const idleMs = Math.max(this.#limits.idleMs, wanted.idleMs ?? 0);
    const body: LimitsRecord = { wallMs, idleMs, at: systemClock.now() };
    writeDurableSync(RUN_FILES.limits, encodeRecord(this.#attempt, body));
    this.#limits = { ...this.#limits, wallMs, idleMs };
  }

  #showLife(now: number, bytes: number): void {
    this.#bytes = bytes;
    this.#aliveAt = now;
    this.#cpuLookAt = now;
    this.#hasBaseline = false;
  }

  /** A scan of /proc costs milliseconds, so it is made ten times per idle span and only in silence. */
  #lookAtCpu(now: number): void {
    if (now - this.#cpuLookAt < this.#limits.idleMs / 10) return;
    this.#cpuLookAt = now;
    this.#cpuUsed += this.#sampleCpu();
    const used = (this.#cpuUsed / TICKS_PER_SECOND) * 1000;
    // What was used before the first look of a silence is unknown: it counts as life.
    if (this.#hasBaseline && used <= (now - this.#aliveAt) * CPU_SHARE) return;
    this.#hasBaseline = true;
    this.#cpuUsed = 0;
    this.#aliveAt = now;
  }

  /** Returns the ticks used since the last sample by every process of the attempt, also by those that came since. */
  #sampleCpu(): number {
    const scan = scanProcesses();
    const members = new Set(findAttempt(scan, this.#attempt, this.#agent).map((one) => one.pid));
    const seen = new Map<string, number>();
    let used = 0;
    for (const one of scan.processes) {
      if (!members.has(one.pid)) continue;
      const key = `${one.pid}/${one.start}`;
      seen.set(key, one.cpuTicks);
      used += Math.max(0, one.cpuTicks - (this.#cpuSeen.get(key) ?? 0));
    }
    this.#cpuSeen = seen;
    return used;
  }
}
