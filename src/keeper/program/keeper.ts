/** Steps 6 to 13: one agent, from the reserve of its exit record to the end of what it left behind. */
import { fstatSync, readFileSync, statSync, unlinkSync } from 'node:fs';
import type { Server } from 'node:net';
import { systemClock } from '../../kernel/clock.ts';
import { syncDataSync, writeDurableSync } from '../../kernel/durable.ts';
import { failpoint } from '../../kernel/failpoints.ts';
import { errnoOf, messageOf } from '../../kernel/result.ts';
import { TICKS_PER_SECOND, type ProcessIdentity } from '../host-identity.ts';
import {
  RUN_FILES,
  encodeRecord,
  type AgentRecord,
  type ExitRecord,
  type KeeperStatus,
  type Sentinel,
  type Spec,
} from '../protocol.ts';
import type { Command } from './command.ts';
import { listenControl } from './control-socket.ts';
import { reserveExitRecord, writeExitRecord, type Reserve } from './exit-record.ts';
import { openOutput, startGate, type Ending, type Gate } from './gate.ts';
import { startHeartbeat } from './heartbeat.ts';
import { LimitWatch } from './limits.ts';
import { log } from './log.ts';
import { readEnvironment } from './specification.ts';
import { Stopper } from './stopper.ts';

interface Owned {
  attempt: string;
  spec: Spec;
  boot: string;
  self: ProcessIdentity;
  /** Sum of the claim. */
  claim: string;
}

/** Why the agent was never let go. */
class NotStarted extends Error {
  readonly execErrno: string | null;

  constructor(reason: string, execErrno: string | null = null) {
    super(reason);
    this.execErrno = execErrno;
  }
}

export class Keeper {
  readonly #owned: Owned;
  readonly #stopper: Stopper;
  #phase: KeeperStatus['phase'] = 'starting';
  #reserve: Reserve | null = null;
  #control: Server | null = null;
  #files: { output: number; stderr: number | null } | null = null;
  #gate: Gate | null = null;
  #watch: LimitWatch | null = null;

  constructor(owned: Owned) {
    this.#owned = owned;
    this.#stopper = new Stopper(owned.attempt, owned.spec.graceMs);
  }

  /** The host goes down: asks the agent to stop, says so in the record, and waits as long as it is left to. */
  hostStops(): void {
    if (this.#phase === 'running') this.#phase = 'stopping';
    this.#stopper.ask({ stoppedBy: 'host', reason: 'the keeper was asked to end' });
  }

  /** Carries the attempt to its end. Returns false when its exit record could not be written. */
  async run(command: Command): Promise<boolean> {
    let record: ExitRecord;
    try {
      failpoint('keeper.after-claim');
      const gate = await this.#start(command);
      record = await this.#attend(gate);
    } catch (error) {
      record = await this.#giveUp(error);
    }
    this.#phase = 'ending';
    const isRecorded = this.#record(record);
    await this.#endStrays();
    // Removes the socket; a client reads the end of its connection when this process ends.
    this.#control?.close();
    return isRecorded;
  }

  async #start(command: Command): Promise<Gate> {
    const { attempt, spec, claim } = this.#owned;
    this.#reserve = reserveExitRecord();
    failpoint('keeper.after-reserve');
    this.#control = await listenControl({
      status: () => this.#status(),
      stop: (reason) => this.#stop('stop', reason),
      kill: (reason) => this.#stop('kill', reason),
      extend: (limits) => this.#extend(limits),
    });
    if ('errno' in command) throw new NotStarted(command.reason, command.errno);
    const env = readEnvironment(attempt, spec);
    checkDirectory(spec.cwd);
    this.#files = openOutput(spec);
    const gate = await startGate({ spec, path: command.path, env, ...this.#files }).catch(explainRefusal);
    this.#gate = gate;
    failpoint('keeper.after-gate');
    const agent: AgentRecord = { ...gate.identity, cgroup: null, claim };
    writeDurableSync(RUN_FILES.agent, encodeRecord(attempt, agent));
    failpoint('keeper.after-agent-record');
    if (this.#stopper.cause !== null) throw new NotStarted('asked to stop before it started');
    this.#watch = new LimitWatch(attempt, gate.identity, spec.limits);
    await gate.go();
    return gate;
  }

  /** From here on the agent runs, and nothing that fails here may end the wait for it. */
  async #attend(gate: Gate): Promise<ExitRecord> {
    this.#phase = 'running';
    this.#stopper.agentStarted(gate.identity);
    this.#removeSecrets();
    this.#point('keeper.after-go');
    const endHeartbeat = startHeartbeat({
      attempt: this.#owned.attempt,
      files: this.#files ?? { output: 1, stderr: null },
      read: () => this.#sentinel(gate),
    });
    const looks = setInterval(() => this.#look(), this.#watch?.lookMs);
    const ending = await gate.ended;
    this.#stopper.agentEnded();
    clearInterval(looks);
    endHeartbeat();
    this.#point('keeper.after-wait');
    return this.#conclude(gate, ending);
  }

  #conclude(gate: Gate, ending: Ending): ExitRecord {
    const trouble = this.#syncOutput();
    this.#point('keeper.after-output-sync');
    if (gate.execFailed()) return this.#notStarted('exec failed; the last line of the output says why', null);
    return {
      started: true,
      ...ending,
      execErrno: null,
      stoppedBy: this.#stopper.cause?.stoppedBy ?? null,
      reason: joinReasons([this.#stopper.cause?.reason ?? null, trouble]),
      at: systemClock.now(),
      ...this.#sizes(),
      cpu: readChildrenCpuMs(),
      claim: this.#owned.claim,
    };
  }

  async #giveUp(error: unknown): Promise<ExitRecord> {
    log(`not started: ${messageOf(error)}`);
    await this.#gate?.abandon();
    this.#removeSecrets();
    const execErrno = error instanceof NotStarted ? error.execErrno : null;
    return this.#notStarted(messageOf(error), execErrno);
  }

  #notStarted(reason: string, execErrno: string | null): ExitRecord {
    return {
      started: false,
      code: null,
      signal: null,
      execErrno,
      stoppedBy: this.#stopper.cause?.stoppedBy ?? null,
      reason,
      at: systemClock.now(),
      ...this.#sizes(),
      claim: this.#owned.claim,
    };
  }

  #record(record: ExitRecord): boolean {
    try {
      writeExitRecord(this.#owned.attempt, record, this.#reserve);
      failpoint('keeper.after-exit-record');
      return true;
    } catch (error) {
      log(`exit record: ${messageOf(error)}`);
      return false;
    }
  }

  async #endStrays(): Promise<void> {
    try {
      const { left } = await this.#stopper.endStrays();
      if (left.length > 0) log(`still alive: ${left.map((one) => one.pid).join(' ')}`);
      failpoint('keeper.after-strays');
    } catch (error) {
      log(`ending strays: ${messageOf(error)}`);
    }
  }

  #look(): void {
    const sizes = this.#sizes();
    const cause = this.#watch?.look(sizes.bytesOut + sizes.bytesErr) ?? null;
    if (cause === null) return;
    this.#phase = 'stopping';
    this.#stopper.stop(cause);
  }

  #stop(how: 'stop' | 'kill', reason: string): void {
    if (this.#phase === 'running') this.#phase = 'stopping';
    this.#stopper[how]({ stoppedBy: 'stop', reason });
  }

  #extend(limits: { wallMs?: number; idleMs?: number }): void {
    if (this.#watch === null) throw new Error('the agent is not running yet');
    this.#watch.extend(limits);
  }

  #status(): KeeperStatus {
    const { attempt, self } = this.#owned;
    return { attempt, keeper: self, agent: this.#gate?.identity ?? null, phase: this.#phase, ...this.#sizes() };
  }

  #sentinel(gate: Gate): Omit<Sentinel, 'lastHeartbeat'> {
    const { spec, boot, self } = this.#owned;
    const { bytesOut, bytesErr } = this.#sizes();
    return {
      pid: gate.identity.pid,
      startTime: gate.identity.start,
      bootId: boot,
      agentEngine: spec.agentEngine,
      sessionId: spec.sessionId,
      outputBytes: bytesOut,
      stderrBytes: bytesErr,
      keeperPid: self.pid,
    };
  }

  #sizes(): { bytesOut: number; bytesErr: number } {
    const { output = null, stderr = null } = this.#files ?? {};
    return {
      bytesOut: output === null ? 0 : fstatSync(output).size,
      bytesErr: stderr === null ? 0 : fstatSync(stderr).size,
    };
  }

  /** Returns what went wrong, for the record: the exit code is true whatever became of the last bytes. */
  #syncOutput(): string | null {
    try {
      const { output = null, stderr = null } = this.#files ?? {};
      for (const fd of [output, stderr]) if (fd !== null) syncDataSync(fd);
      return null;
    } catch (error) {
      log(`flushing the output: ${messageOf(error)}`);
      return `output may be incomplete: ${messageOf(error)}`;
    }
  }

  #removeSecrets(): void {
    if (!this.#owned.spec.secrets) return;
    try {
      unlinkSync(RUN_FILES.secrets);
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') log(`removing the secrets: ${messageOf(error)}`);
    }
  }

  /** A failure after go is logged; the agent runs and must be waited for. */
  #point(name: Parameters<typeof failpoint>[0]): void {
    try {
      failpoint(name);
    } catch (error) {
      log(messageOf(error));
    }
  }
}

function joinReasons(parts: (string | null)[]): string | null {
  const said = parts.filter((part) => part !== null);
  return said.length === 0 ? null : said.join('; ');
}

/** A missing directory would be reported by spawn as a missing shell. */
function checkDirectory(path: string): void {
  if (!statSync(path).isDirectory()) throw new NotStarted(`${path} is not a directory`);
}

/** Arguments too long for the kernel are the command's own fault: trying again cannot help. */
function explainRefusal(error: unknown): never {
  if (errnoOf(error) === 'E2BIG') throw new NotStarted('the arguments and the environment are too long', 'E2BIG');
  throw error;
}

/** CPU milliseconds of waited-for children: the agent, and those of its own that it waited for. */
function readChildrenCpuMs(): number {
  const stat = readFileSync('/proc/self/stat', 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return ((Number(fields[13]) + Number(fields[14])) * 1000) / TICKS_PER_SECOND;
}
