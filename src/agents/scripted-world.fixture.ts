/** A place to run agent `scripted` as real processes in, for its tests. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { errnoOf } from '../kernel/result.ts';
import type { AgentExit, Invocation, Launch, Summary } from './adapter.ts';
import { continuationPrompt } from './continuation.ts';
import { createEventReader } from './read-events.ts';
import { createScriptedAdapter } from './scripted.ts';

/** The adapter under test. */
export const scripted = createScriptedAdapter();
/** Something to say on resume. */
export const continuation = continuationPrompt({ attempt: 2, reason: 'a test' });

/** One process of the agent. */
export interface Run {
  child: ChildProcess;
  output(): string;
  errors(): string;
  seen(): Summary;
  /** Resolves once the process is gone. */
  exit(): Promise<Exclude<AgentExit, 'unknown'>>;
}

/** A workspace and a HOME; at the end of its scope every process started in it is gone, and both are removed. */
export class World implements AsyncDisposable {
  readonly root = mkdtempSync(join(tmpdir(), 'holdfast-scripted-'));
  readonly cwd = join(this.root, 'workspace');
  readonly home = join(this.root, 'home');
  /** In the environment of everything started here, and of what that starts. */
  readonly token = `att_${basename(this.root)}`;
  readonly runs: Run[] = [];

  constructor() {
    mkdirSync(this.cwd);
    mkdirSync(this.home);
  }

  start(steps: object[], options: { sessionId?: string; startsFile?: string } = {}): Run {
    const { sessionId = 's1', startsFile } = options;
    const prompt = JSON.stringify({ steps, startsFile });
    scripted.validate({ prompt, command: null });
    return this.run(scripted.command(this.launch(prompt, sessionId)));
  }

  resume(sessionId = 's1'): Run {
    return this.run(scripted.resumeCommand({ ...this.launch('', sessionId), sessionId, continuation }));
  }

  launch(prompt: string, sessionId: string): Launch {
    return { prompt, command: null, cwd: this.cwd, home: this.home, sessionId, settings: {} };
  }

  /** As a keeper does it: own session, output straight into files, nothing on stdin. */
  run(invocation: Invocation): Run {
    for (const file of invocation.files) {
      mkdirSync(dirname(join(this.home, file.path)), { recursive: true });
      writeFileSync(join(this.home, file.path), file.content, { mode: 0o600 });
    }
    const [command = '', ...argv] = invocation.argv;
    const paths = ['output', 'stderr'].map((name) => join(this.root, `${name}-${this.runs.length}`));
    const fds = paths.map((path) => openSync(path, 'a'));
    const env = { PATH: process.env['PATH'] ?? '', HOME: this.home, HOLDFAST_ATTEMPT: this.token, ...invocation.env };
    const child = spawn(command, argv, { cwd: this.cwd, env, detached: true, stdio: ['ignore', ...fds] });
    for (const fd of fds) closeSync(fd);
    let ended: Awaited<ReturnType<Run['exit']>> | null = null;
    child.on('exit', (code, signal) => (ended = { code, signal, stoppedBy: null }));
    const [output = '', errors = ''] = paths;
    const run: Run = {
      child,
      output: () => readFileSync(output, 'utf8'),
      errors: () => readFileSync(errors, 'utf8'),
      seen: () => {
        const reader = createEventReader(scripted);
        reader.push(readFileSync(output));
        return reader.seen;
      },
      exit: () => until('the agent to end', () => ended),
    };
    this.runs.push(run);
    return run;
  }

  read(name: string): string {
    const path = join(this.cwd, name);
    return existsSync(path) ? readFileSync(path, 'utf8') : '';
  }

  /** Waits until a file of the workspace matches, and returns the first group. */
  async seeFile(name: string, pattern: RegExp): Promise<string> {
    return until(`${name} to match ${pattern}`, () => pattern.exec(this.read(name))?.[1] ?? null);
  }

  /** Pid that a ticking tool tells in its own file. */
  async seeTicker(name: string): Promise<number> {
    return Number(await this.seeFile(name, /^tick 1 pid (\d+)$/m));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await until('everything to be gone', () => {
      const pids = listPids().filter((pid) => isAlive(pid) && readEnvironment(pid).includes(this.token));
      for (const pid of pids) killIfAlive(pid);
      return pids.length === 0 ? true : null;
    });
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** Polls until `look` finds something, and returns it; fails after 20 s. */
export async function until<T>(what: string, look: () => T | null): Promise<T> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const found = look();
    if (found !== null) return found;
    assert.ok(Date.now() < deadline, `waited in vain for ${what}`);
    await sleep(10);
  }
}

/** Fields of /proc/<pid>/stat after the name: state, parent, group, session; null when gone. */
export function stat(pid: number): string[] | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return null;
  }
}

/** Whether there is such a process and it is not a zombie. */
export function isAlive(pid: number): boolean {
  const state = stat(pid)?.[0];
  return state !== undefined && state !== 'Z' && state !== 'X';
}

function listPids(): number[] {
  return readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? [Number(name)] : []));
}

/** The environment a process was started with; empty when it is gone. */
export function readEnvironment(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8');
  } catch {
    return '';
  }
}

function killIfAlive(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (errnoOf(error) !== 'ESRCH') throw error;
  }
}

/** Waits until the run's output contains `text`. */
export const seeOutput = (run: Run, text: string): Promise<true> =>
  until(`output "${text}"`, () => (run.output().includes(text) ? true : null));
