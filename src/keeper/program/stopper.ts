/** Ends the agent: asks first, then kills everything of the attempt until a scan finds nothing. */
import { setTimeout as sleep } from 'node:timers/promises';
import { errnoOf } from '../../kernel/result.ts';
import type { ProcessIdentity } from '../host-identity.ts';
import { endProcesses, findAttempt, type EndResult } from '../processes.ts';
import { STRAYS_DEADLINE_MS } from '../protocol.ts';
import { log } from './log.ts';

/** Why the agent was ended; the first reason is the one recorded. */
export interface StopCause {
  stoppedBy: 'wall' | 'idle' | 'output' | 'stop' | 'host';
  reason: string;
}

/** Ends one agent. Asking, killing and asking again in any order is fine. */
export class Stopper {
  readonly #attempt: string;
  readonly #graceMs: number;
  #agent: ProcessIdentity | null = null;
  #ended = false;
  #killWanted = false;
  #isKilling = false;
  #cause: StopCause | null = null;
  #deadline: NodeJS.Timeout | null = null;

  constructor(attempt: string, graceMs: number) {
    this.#attempt = attempt;
    this.#graceMs = graceMs;
  }

  /** The first reason given while the agent lived, or null. */
  get cause(): StopCause | null {
    return this.#cause;
  }

  /** Names the process to end; whatever was asked before is carried out now. */
  agentStarted(agent: ProcessIdentity): void {
    this.#agent = agent;
    if (this.#cause !== null) this.#askGroup();
    if (this.#killWanted) void this.#kill();
  }

  /** No later request counts as the reason of its end. */
  agentEnded(): void {
    this.#ended = true;
    if (this.#deadline !== null) clearTimeout(this.#deadline);
  }

  /** Asks the agent's group to stop and goes on waiting, as long as it takes. */
  ask(cause: StopCause): void {
    if (this.#ended) return;
    this.#cause ??= cause;
    this.#askGroup();
  }

  /** Asks, and kills what is left after the grace. */
  stop(cause: StopCause): void {
    if (this.#ended) return;
    this.ask(cause);
    this.#deadline ??= setTimeout(() => void this.#kill(), this.#graceMs);
  }

  /** Kills at once. */
  kill(cause: StopCause): void {
    if (this.#ended) return;
    this.#cause ??= cause;
    void this.#kill();
  }

  /** Ends what the agent left behind. Members of its session count: its pid cannot have come round again yet. */
  endStrays(): Promise<EndResult> {
    const agent = this.#agent;
    return endProcesses(
      (scan, round) => findAttempt(scan, this.#attempt, round < 2 ? agent : null),
      STRAYS_DEADLINE_MS,
    );
  }

  /** The process is our child and not waited for yet (`agentEnded` comes first), so its pid names its group. */
  #askGroup(): void {
    if (this.#agent === null || this.#ended) return;
    try {
      process.kill(-this.#agent.pid, 'SIGTERM');
    } catch (error) {
      if (errnoOf(error) !== 'ESRCH') log(`asking the agent to stop: ${String(error)}`);
    }
  }

  async #kill(): Promise<void> {
    this.#killWanted = true;
    if (this.#isKilling || this.#agent === null) return;
    this.#isKilling = true;
    while (!this.#ended) {
      try {
        await endProcesses(
          (scan) => findAttempt(scan, this.#attempt, this.#ended ? null : this.#agent),
          STRAYS_DEADLINE_MS,
        );
      } catch (error) {
        log(`killing the attempt: ${String(error)}`);
      }
      await sleep(50);
    }
  }
}
