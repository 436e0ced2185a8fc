/** Processes that have nothing to do with Holdfast, and what was done to them. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { isAlive, readProcess, type ProcessIdentity } from '../../src/keeper/host-identity.ts';
import { scanProcesses, signalProcess } from '../../src/keeper/processes.ts';
import { until } from './poll.ts';

const LISTEN = `for signal in HUP INT QUIT TERM USR1 USR2; do trap "echo $signal >>'$1'" $signal; done
echo ready >>"$1"
while :; do sleep 0.05; done`;

/** A process of a session of its own that notes every signal it can catch. */
export class Stranger implements AsyncDisposable {
  readonly identity: ProcessIdentity;
  private readonly log: string;

  private constructor(identity: ProcessIdentity, log: string) {
    this.identity = identity;
    this.log = log;
  }

  /** Starts one that notes into the file `log`. */
  static async start(log: string): Promise<Stranger> {
    const child = spawn('sh', ['-c', LISTEN, 'stranger', log], { detached: true, stdio: 'ignore' });
    const stranger = new Stranger(identify(child.pid ?? 0), log);
    await until('the stranger listens', async () => (await stranger.readLog()).includes('ready'));
    return stranger;
  }

  private async readLog(): Promise<string> {
    return readFile(this.log, 'utf8').catch(() => '');
  }

  /** Whether it lives, runs, and got no signal it could have noted. */
  async isUntouched(): Promise<boolean> {
    const state = readProcess(this.identity.pid)?.state;
    return isAlive(this.identity) && state !== 'T' && (await this.readLog()) === 'ready\n';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    signalProcess(this.identity, 'SIGKILL');
    await until('the stranger is dead', () => !isAlive(this.identity));
  }
}

/** A process that has ended and is not waited for by its parent. */
export class Zombie implements AsyncDisposable {
  readonly identity: ProcessIdentity;
  private readonly parent: ProcessIdentity;

  private constructor(identity: ProcessIdentity, parent: ProcessIdentity) {
    this.identity = identity;
    this.parent = parent;
  }

  /** Makes one: its parent is a shell that became a program which does not know of the shell's children. */
  static async make(): Promise<Zombie> {
    const shell = spawn('sh', ['-c', 'sleep 600 & exec sleep 600'], { detached: true, stdio: 'ignore' });
    const parent = identify(shell.pid ?? 0);
    try {
      const child = await until('the shell is another program and has a child', () => {
        if (readFileSync(`/proc/${parent.pid}/comm`, 'latin1') !== 'sleep\n') return null;
        return scanProcesses().processes.find((one) => one.ppid === parent.pid);
      });
      const zombie = { pid: child.pid, start: child.start };
      signalProcess(zombie, 'SIGKILL');
      await until('it is a zombie', () => readProcess(zombie.pid)?.state === 'Z');
      return new Zombie(zombie, parent);
    } catch (error) {
      signalProcess(parent, 'SIGKILL');
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    signalProcess(this.parent, 'SIGKILL');
    await until('its parent is dead', () => !isAlive(this.parent));
  }
}

function identify(pid: number): ProcessIdentity {
  const stat = readProcess(pid);
  if (stat === null) throw new Error(`there is no process ${pid}`);
  return { pid: stat.pid, start: stat.start };
}
