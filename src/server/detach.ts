/**
 * Starts a server that owes its caller nothing: its own session, no terminal, no pipe, its messages in `server.log` of
 * the home. The only use of child processes in this room, because the process started here is this very program.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { openSync, closeSync } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { delay } from '../kernel/backoff.ts';
import { makeDirectory, readIfExists } from '../kernel/durable.ts';
import { ERRORS, fail, isError, type ErrorCode, type HoldfastError } from '../kernel/errors.ts';
import { fetchPinned } from '../kernel/pinned-fetch.ts';
import { errnoOf, messageOf } from '../kernel/result.ts';
import { homeLayout, type Home } from '../lifecycle/home.ts';
import { readServer } from './control.ts';
import type { ServerInfo } from './server-file.ts';
import type { TlsFiles } from './tls.ts';

export interface DetachOptions {
  /** Absolute path. */
  home: string;
  /** Environment of the server; variables that tie a process to one attempt are left out of it. */
  env: NodeJS.ProcessEnv;
  host?: string | undefined;
  /** Without it the usual port, or any free one when that is taken. */
  port?: number | undefined;
  configPath?: string | null | undefined;
  tls?: TlsFiles | null;
  /** Words before the command of the server: a program that becomes it by exec, so that the pid stays the same. */
  wrap?: readonly string[] | undefined;
  /** Gives up waiting, not the server; 60 s. */
  timeoutMs?: number;
  signal?: AbortSignal;
}

const TIMEOUT_MS = 60_000;
const POLL_MS = 25;
/** How long another server that holds the home may take to name itself. */
const OTHER_MS = 10_000;
const LOG_TAIL_BYTES = 4000;

/** Flags of Node the server should have too; a debugger's port or a test runner's flags are the caller's alone. */
const PASSED_ON = /^--(?:disable-warning=|no-warnings$|enable-source-maps$|experimental-)/;

/** A server with one of these would count as part of that attempt and be ended with it; the others point elsewhere or colour a log. */
const LEFT_OUT = [
  'HOLDFAST_ATTEMPT',
  'HOLDFAST_OP',
  'HOLDFAST_HOST',
  'HOLDFAST_JOB',
  'HOLDFAST_URL',
  'HOLDFAST_TOKEN',
  'HOLDFAST_CA_FILE',
  'FORCE_COLOR',
];

/**
 * Starts a detached server on `home` and returns its address and pid once it accepts work; when another server wins the
 * race for the home, that one's. Throws `home-unusable`, `home-held`, `port-in-use`, or `server-unreachable` with the
 * end of the log when it ended or did not become ready in time.
 */
export async function startDetachedServer(options: DetachOptions): Promise<{ url: string; pid: number }> {
  const home = homeLayout(options.home);
  const before = await readServer(home.root);
  const logStart = await prepareLog(home);
  const child = await spawnServer(home, options);
  const until = performance.now() + (options.timeoutMs ?? TIMEOUT_MS);
  let endedAt: number | null = null;
  for (;;) {
    const now = await readServer(home.root);
    if (now !== null && now.bootId !== before?.bootId && (await isReady(home, now)))
      return { url: now.url, pid: now.pid };
    if (child.exitCode !== null || child.signalCode !== null) {
      endedAt ??= performance.now();
      const failure = explainEnd(child, await readLogTail(home, logStart));
      // Somebody else may just be starting on this home: then theirs is as good as ours.
      if (!isError(failure, 'home-held') || performance.now() - endedAt > OTHER_MS) throw failure;
      if (now !== null && (await isReady(home, now))) return { url: now.url, pid: now.pid };
    } else if (performance.now() > until) {
      throw fail(
        'server-unreachable',
        `the server in ${home.root} was started (pid ${child.pid ?? 0}) but is not ready yet`,
        {
          hint: `It goes on starting; look at ${home.serverLog} and \`holdfast server status\`.`,
        },
      );
    }
    await delay(POLL_MS, options.signal);
  }
}

/** Makes the home, so that there is a place for the log; returns the log's size before this start. */
async function prepareLog(home: Home): Promise<number> {
  try {
    await makeDirectory(home.root);
    return (await stat(home.serverLog)).size;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return 0;
    throw fail('home-unusable', `${home.root}: ${messageOf(error)}`, { cause: error });
  }
}

/** Where the program begins: beside this room or, where all rooms were made into one folder, beside this file. */
function findMain(own: string): string {
  const isInRoom = /\/server\/detach\.[jt]s$/.test(own);
  return fileURLToPath(new URL(isInRoom ? `../cli/main${extname(own)}` : './main.js', own));
}

async function spawnServer(home: Home, options: DetachOptions): Promise<ChildProcess> {
  const main = findMain(import.meta.url);
  const args = [...process.execArgv.filter((flag) => PASSED_ON.test(flag)), main, 'serve', '--home', home.root];
  if (options.host !== undefined) args.push('--host', options.host);
  args.push('--port', String(options.port ?? 'auto'));
  if (typeof options.configPath === 'string') args.push('--config', options.configPath);
  if (options.tls) args.push('--tls-cert', options.tls.cert, '--tls-key', options.tls.key);
  const env = { ...options.env };
  for (const name of LEFT_OUT) delete env[name];
  env['NO_COLOR'] = '1';
  let log: number;
  try {
    log = openSync(home.serverLog, 'a', 0o600);
  } catch (error) {
    throw fail('home-unusable', `${home.serverLog}: ${messageOf(error)}`, { cause: error });
  }
  try {
    const [program = process.execPath, ...words] = [...(options.wrap ?? []), process.execPath, ...args];
    const child = spawn(program, words, { cwd: home.root, env, detached: true, stdio: ['ignore', log, log] });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    child.unref();
    return child;
  } catch (error) {
    throw fail('server-unreachable', `the server could not be started: ${messageOf(error)}`, { cause: error });
  } finally {
    closeSync(log);
  }
}

/** The server file is replaced before the port answers: readiness is what the port itself says. */
async function isReady(home: Home, server: ServerInfo): Promise<boolean> {
  try {
    const certificate = server.url.startsWith('https:') ? await readIfExists(home.certificateFile) : null;
    const url = new URL(`${server.url}/readyz`);
    const response = await fetchPinned(url, { signal: AbortSignal.timeout(2000) }, certificate?.toString() ?? null);
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}

/** The server's own last error, as the command line prints it into the log, with its code; else how the process ended. */
function explainEnd(child: ChildProcess, log: string): HoldfastError {
  const [, detail, code] = [...log.matchAll(/^✗ [^:\n]+: ([\s\S]*?) \[([a-z-]+)\]$/gm)].at(-1) ?? [];
  if (detail !== undefined && code !== undefined && Object.hasOwn(ERRORS, code)) return fail(code as ErrorCode, detail);
  const how = child.signalCode === null ? `exit code ${child.exitCode ?? 0}` : `signal ${child.signalCode}`;
  const last = log.trim() === '' ? 'it wrote nothing' : log.trim();
  return fail('server-unreachable', `the server ended at once (${how}):\n${last}`, {
    hint: 'Correct what it says above, or run `holdfast serve` to see it start.',
  });
}

async function readLogTail(home: Home, from: number): Promise<string> {
  const file = await open(home.serverLog, 'r');
  try {
    const { size } = await file.stat();
    const start = Math.max(from, size - LOG_TAIL_BYTES);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(Math.max(0, size - start)), { position: start });
    return buffer.subarray(0, bytesRead).toString('utf8');
  } finally {
    await file.close();
  }
}
