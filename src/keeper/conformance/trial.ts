/**
 * One attempt with a real keeper, for the conformance suite: a directory of its own, helpers that poll instead of
 * sleeping, and an end that leaves no process and no file behind.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readlinkSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { newId } from '../../kernel/ids.ts';
import { judge, type Verdict } from '../../lifecycle/verdict.ts';
import { connectKeeper, type KeeperConnection } from '../connect.ts';
import { gatherEvidence, type Evidence } from '../evidence.ts';
import { isAlive, readHostIdentity, type HostIdentity, type ProcessIdentity } from '../host-identity.ts';
import { launchKeeper } from '../launch.ts';
import { endStrays, scanProcesses, signalProcess, type ScannedProcess } from '../processes.ts';
import type { ExitRecord, Spec } from '../protocol.ts';
import { prepareRunDirectory, readClaim, readExit } from '../run-directory.ts';

/** How long anything may take before it counts as never: generous, because many tests share two cores. */
const DEADLINE_MS = 30_000;
const HOST = 'host_00000000000000000000test';
const PATH = '/usr/local/bin:/usr/bin:/bin';

/** Returns the first value of `look` that is neither null nor false; throws, naming `what`, at the deadline. */
export async function until<T>(what: string, look: () => T | Promise<T>): Promise<Exclude<T, null | false>> {
  const end = performance.now() + DEADLINE_MS;
  for (;;) {
    const found = await look();
    if (found !== null && found !== false) return found as Exclude<T, null | false>;
    if (performance.now() > end) throw new Error(`never: ${what}`);
    await sleep(5);
  }
}

/** Returns the living processes that work in `folder`: keepers do so in their run directory. */
export function processesIn(folder: string): ScannedProcess[] {
  return scanProcesses().processes.filter(({ pid }) => {
    try {
      return readlinkSync(`/proc/${pid}/cwd`) === folder;
    } catch {
      // Gone meanwhile, or not ours.
      return false;
    }
  });
}

/** An attempt and everything a test asks of it. */
export class Trial implements AsyncDisposable {
  readonly #command: string[];
  readonly attempt = newId('att', Date.now());
  readonly folder: string;
  readonly runDir: string;
  /** Outside the run directory: what the agent itself says of its starts. */
  readonly witness: string;

  constructor(command: string[], folder = '') {
    this.#command = command;
    this.folder = realpathSync(mkdtempSync(join(tmpdir(), 'hf-keeper-')));
    this.runDir = join(this.folder, folder, 'run');
    this.witness = join(this.folder, 'witness');
    mkdirSync(join(this.folder, 'work'));
  }

  /** Prepares the run directory for `sh -c script`, or for `argv` when given among the changes. */
  async prepare(script: string, change: Partial<Spec> = {}, secrets: Record<string, string> = {}): Promise<void> {
    const spec: Spec = {
      host: HOST,
      argv: ['sh', '-c', `echo "$$" >>'${this.witness}'\n${script}`],
      cwd: join(this.folder, 'work'),
      env: { PATH },
      secrets: false,
      limits: { wallMs: 600_000, idleMs: 600_000, outputBytes: 1 << 30 },
      mergeStderr: true,
      agentEngine: 'exec',
      sessionId: null,
      graceMs: 300,
      ...change,
    };
    await prepareRunDirectory({ runDir: this.runDir, attemptId: this.attempt, spec, secrets });
  }

  /** Starts a keeper the way the server does. */
  launch(failpoints = '', command = this.#command): Promise<void> {
    const armed = failpoints === '' ? {} : { failpoints };
    return launchKeeper({ runDir: this.runDir, attemptId: this.attempt, keeperCommand: command, ...armed });
  }

  /** Starts a keeper that inherits descriptors 3 to 20, all open on the file `path`. */
  launchHolding(fd: number): void {
    const [file = '', ...args] = this.#command;
    const stdio = ['ignore', 'ignore', 'ignore', ...Array.from({ length: 18 }, () => fd)] as const;
    spawn(file, [...args, this.runDir], { env: { PATH }, detached: true, stdio: [...stdio] }).unref();
  }

  /** `prepare` and `launch`. */
  async start(script: string, change: Partial<Spec> = {}): Promise<void> {
    await this.prepare(script, change);
    await this.launch();
  }

  /** Waits until the keeper answers, then returns the connection. */
  connect(): Promise<KeeperConnection> {
    return until('the keeper listens', () => connectKeeper(this.runDir));
  }

  /** Waits for the exit record and for the keeper's end. */
  async exit(): Promise<ExitRecord> {
    const record = await until('an exit record', async () => {
      const found = await readExit(this.runDir, this.attempt);
      if (found.kind === 'bad') throw new Error(`${found.path}: ${found.why}`);
      return found.kind === 'ok' ? found.record : null;
    });
    const keeper = await this.keeper();
    await until('the keeper ended', () => !isAlive(keeper));
    return record;
  }

  /** Waits for a claim and returns the process that made it. */
  async keeper(): Promise<ProcessIdentity> {
    return until('a claim', async () => {
      const found = await readClaim(this.runDir, this.attempt);
      return found.kind === 'ok' ? { pid: found.record.pid, start: found.record.start } : null;
    });
  }

  /** Waits until the keeper is dead, whoever killed it. */
  async keeperDead(): Promise<void> {
    const keeper = await this.keeper();
    await until('the keeper is dead', () => !isAlive(keeper));
  }

  /** What a server would gather now. */
  evidence(change: { identity?: HostIdentity; host?: string; deep?: boolean } = {}): Promise<Evidence> {
    return gatherEvidence({
      runDir: this.runDir,
      attemptId: this.attempt,
      host: HOST,
      identity: readHostIdentity(),
      scan: scanProcesses(),
      ...change,
    });
  }

  /** What a server would judge now, after its second look. */
  async verdict(): Promise<Verdict> {
    return judge({ ...(await this.evidence()), finalResult: false, lookedTwice: true });
  }

  /** How often the agent says it was started. */
  starts(): number {
    return this.lines(this.witness).length;
  }

  /** The complete lines of a file; none when it is not there. */
  lines(path: string): string[] {
    return existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : [];
  }

  /** Text of a file of the run directory, empty when it is not there. */
  text(name: string): string {
    const path = join(this.runDir, name);
    return existsSync(path) ? readFileSync(path, 'utf8') : '';
  }

  /** Living processes that carry the token. */
  tokens(): ProcessIdentity[] {
    return scanProcesses().attempts.get(this.attempt) ?? [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const claim = await readClaim(this.runDir, this.attempt);
    if (claim.kind === 'ok' && claim.record.pid !== process.pid) signalProcess(claim.record, 'SIGKILL');
    await endStrays({ attempt: this.attempt });
    rmSync(this.folder, { recursive: true, force: true });
  }
}
