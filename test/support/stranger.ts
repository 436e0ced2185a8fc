/** Processes that have nothing to do with Holdfast, and what was done to them. */
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { isAlive, readProcess, type ProcessIdentity } from '../../src/keeper/host-identity.ts';
import { signalProcess } from '../../src/keeper/processes.ts';
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

  /** Makes one: a shell that became a program which does not know of the shell's child. */
  static async make(): Promise<Zombie> {
    const child = spawn('sh', ['-c', 'true & echo $!; exec sleep 600'], {
      detached: true,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const pid = await new Promise<number>((resolve) => child.stdout.once('data', (text) => resolve(Number(text))));
    const found = await until('it is a zombie', () => {
      const stat = readProcess(pid);
      return stat?.state === 'Z' ? stat : null;
    });
    return new Zombie({ pid, start: found.start }, identify(child.pid ?? 0));
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
