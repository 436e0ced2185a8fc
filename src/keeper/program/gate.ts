/**
 * Steps 7 to 9: a shell that already is the agent's process (pid, session, output files, environment) waits for one
 * line before it becomes the agent. If the keeper dies first it reads the end of the pipe and never does.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, openSync, readFileSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { resolve } from 'node:path';
import { readProcess, type ProcessIdentity } from '../host-identity.ts';
import { RUN_FILES, type Spec } from '../protocol.ts';

/**
 * Descriptors above 9 cannot be named in a POSIX shell; none is inherited, because the keeper closed its own and opens
 * the others close-on-exec. The variables unset are those a shell adds by itself. The trap runs only when exec failed.
 */
const SCRIPT = `exec 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
{ echo "$1" >/proc/self/oom_score_adj; } 2>/dev/null
holdfast_marker=$2
shift 2
IFS= read -r holdfast_go <&3 || exit 125
[ "$holdfast_go" = go ] || exit 125
exec 3<&-
trap ': >"$holdfast_marker"' EXIT
UNSET
exec "$@"`;

/** The kernel kills the process with the highest score first; 1000 is the highest. */
const OOM_RAISE = 300;
const SHELL = '/bin/sh';

/** How the process ended. */
export interface Ending {
  code: number | null;
  signal: string | null;
}

/** The process that waits to become the agent, and later is it. */
export interface Gate {
  identity: ProcessIdentity;
  /** Resolves when the process ended and was waited for. */
  ended: Promise<Ending>;
  /** Lets it become the agent; throws when it is gone already. */
  go(): Promise<void>;
  /** Closes the pipe unused: it ends without ever becoming the agent. */
  abandon(): Promise<void>;
  /** Whether the process ended because its exec failed, so that the agent never ran. */
  execFailed(): boolean;
}

/** Opens the output files: append only, so that no writer overwrites another. Returns descriptors of stdout and stderr. */
export function openOutput(spec: Spec): { output: number; stderr: number | null } {
  const output = openSync(RUN_FILES.output, 'a', 0o600);
  return { output, stderr: spec.mergeStderr ? null : openSync(RUN_FILES.stderr, 'a', 0o600) };
}

/** Starts the gate for the agent at `path`. Throws when it cannot be started. */
export async function startGate(what: {
  spec: Spec;
  path: string;
  env: Record<string, string>;
  output: number;
  stderr: number | null;
}): Promise<Gate> {
  const args = ['-c', scriptFor(what.env), 'holdfast-gate', oomScore(), resolve(RUN_FILES.execFailed), what.path];
  const child = spawn(SHELL, [...args, ...what.spec.argv.slice(1)], {
    cwd: what.spec.cwd,
    env: what.env,
    detached: true,
    stdio: ['ignore', what.output, what.stderr ?? what.output, 'pipe'],
  });
  const ended = new Promise<Ending>((done) => child.once('exit', (code, signal) => done({ code, signal })));
  await new Promise<void>((done, fail) => {
    child.once('spawn', done);
    child.once('error', fail);
  });
  const pipe = child.stdio[3] as Writable;
  // The gate is gone: `go` reports it, or its end does.
  pipe.on('error', () => undefined);
  return {
    identity: identify(child),
    ended,
    go: () => new Promise((done, fail) => pipe.end('go\n', (error?: Error | null) => (error ? fail(error) : done()))),
    async abandon() {
      pipe.destroy();
      await ended;
    },
    execFailed: () => existsSync(RUN_FILES.execFailed),
  };
}

function identify(child: ChildProcess): ProcessIdentity {
  const found = child.pid === undefined ? null : readProcess(child.pid);
  if (found === null) throw new Error('the gate ended before it could be recorded');
  return { pid: found.pid, start: found.start };
}

function scriptFor(env: Record<string, string>): string {
  const added = ['PWD', 'OLDPWD', 'SHLVL', '_'].filter((name) => env[name] === undefined);
  return SCRIPT.replace('UNSET', ['unset holdfast_go', ...added].join(' '));
}

/** Returns a score above the keeper's own, so that memory pressure takes the agent and the keeper can record it. */
function oomScore(): string {
  const own = Number.parseInt(readFileSync('/proc/self/oom_score_adj', 'latin1'), 10);
  return String(Math.min(1000, own + OOM_RAISE));
}
