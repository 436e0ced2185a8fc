/**
 * Starts the keeper of an attempt so that it owes this server nothing: its own session, no pipe, no terminal, no
 * variable of ours, and under systemd its own unit. Whether it came to life is for the evidence to say.
 */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fail } from '../kernel/errors.ts';
import { messageOf } from '../kernel/result.ts';
import { readLaunchEnvironment, type LaunchEnvironment } from './environment.ts';
import { RUN_FILES } from './protocol.ts';
import { buildSystemdRun, detectSystemd } from './systemd.ts';

/**
 * V8's worker threads cost 40 % of the start and of the memory of a process that mostly sleeps. And nothing may be compiled in
 * the one that is left: when it waits for the main thread to collect garbage, the exit of the process waits for it, for ever
 * (nodejs/node issue 54918; met by two keepers in a thousand that all ended at once).
 */
const NODE_FLAGS = ['--v8-pool-size=0', '--single-threaded'];

export interface LaunchRequest {
  /** Absolute path of the prepared run directory. */
  runDir: string;
  attemptId: string;
  /** For people, in the name of nothing yet but error messages. */
  jobId?: string;
  /** Armed in the keeper, not in this process. */
  failpoints?: string;
  /** Another keeper, as argv; the run directory is appended. */
  keeperCommand?: string[];
  /** Injected by tests. */
  environment?: LaunchEnvironment;
  /** Text of /proc/self/cgroup; injected by tests. */
  cgroup?: string;
}

/**
 * Starts a keeper and returns once its process exists (under systemd: once its unit was accepted). Throws
 * `keeper-failed` when it is not built or cannot be started.
 */
export async function launchKeeper(request: LaunchRequest): Promise<void> {
  const own = request.environment ?? readLaunchEnvironment();
  const command = [...(request.keeperCommand ?? defaultKeeperCommand()), request.runDir];
  const environment: Record<string, string> = { PATH: own.path };
  if (request.failpoints !== undefined) environment['HOLDFAST_FAILPOINTS'] = request.failpoints;
  const manager = detectSystemd(own, request.cgroup ?? readFileSync('/proc/self/cgroup', 'latin1'));
  if (manager === 'none') return startDetached(request, command, environment);
  const { runDir, attemptId } = request;
  const log = join(runDir, RUN_FILES.log);
  return runSystemd(request, buildSystemdRun({ manager, attemptId, runDir, log, environment, command }), own);
}

/** Returns argv of the built keeper, found from where this file lies. Throws `keeper-failed` when it was not built. */
export function defaultKeeperCommand(): string[] {
  const path = keeperPath(fileURLToPath(import.meta.url));
  if (!existsSync(path)) throw fail('keeper-failed', `${path} is missing`, { hint: 'Run `npm run build`.' });
  return [process.execPath, ...NODE_FLAGS, path];
}

/** Returns where the built keeper lies for code that lies at `file`: `dist/keeper.js` beside the nearest src or dist. */
export function keeperPath(file: string): string {
  for (let folder = dirname(file); folder !== dirname(folder); folder = dirname(folder)) {
    if (['src', 'dist'].includes(basename(folder))) return join(dirname(folder), 'dist', 'keeper.js');
  }
  throw fail('keeper-failed', `${file} lies neither below src nor below dist`);
}

async function startDetached(request: LaunchRequest, command: string[], env: Record<string, string>): Promise<void> {
  const [file = '', ...args] = command;
  let log: number | null = null;
  try {
    log = openSync(join(request.runDir, RUN_FILES.log), 'a', 0o600);
    const child = spawn(file, args, { cwd: request.runDir, env, detached: true, stdio: ['ignore', log, log] });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    child.unref();
  } catch (error) {
    throw cannotStart(request, messageOf(error), error);
  } finally {
    if (log !== null) closeSync(log);
  }
}

async function runSystemd(request: LaunchRequest, argv: string[], own: LaunchEnvironment): Promise<void> {
  const [file = '', ...args] = argv;
  const env: Record<string, string> = { PATH: own.path };
  if (own.runtimeDirectory !== null) env['XDG_RUNTIME_DIR'] = own.runtimeDirectory;
  if (own.busAddress !== null) env['DBUS_SESSION_BUS_ADDRESS'] = own.busAddress;
  const child = spawn(file, args, { env, stdio: ['ignore', 'ignore', 'pipe'] });
  let message = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (message = (message + text).slice(-2000)));
  const code = await new Promise<number | string | null>((resolve) => {
    child.once('error', (error) => resolve(messageOf(error)));
    child.once('close', (exit) => resolve(exit));
  });
  if (code !== 0) throw cannotStart(request, `systemd-run ended with ${String(code)}: ${message.trim()}`, null);
}

function cannotStart(request: LaunchRequest, why: string, cause: unknown): Error {
  const of = request.jobId === undefined ? request.attemptId : `${request.attemptId} of job ${request.jobId}`;
  return fail('keeper-failed', `${of}: ${why}`, { cause });
}
