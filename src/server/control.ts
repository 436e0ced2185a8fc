/**
 * Acts on a server process from outside: who it is, is it alive, end it. Always by identity (pid and start time, as the
 * server wrote them into its file), never by a bare pid.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isAlive, isStopped, type ProcessIdentity } from '../keeper/host-identity.ts';
import { endStrays, signalProcess } from '../keeper/processes.ts';
import { RUN_FILES, type Claim, type Sealed } from '../keeper/protocol.ts';
import { delay } from '../kernel/backoff.ts';
import { readIfExists } from '../kernel/durable.ts';
import { fail } from '../kernel/errors.ts';
import { errnoOf, messageOf } from '../kernel/result.ts';
import { homeLayout } from '../lifecycle/home.ts';
import { readServerFile, type ServerInfo } from './server-file.ts';

const STOP_MS = 15_000;
const POLL_MS = 25;

/** A server named by its home, and whether that very process lives. */
export interface FoundServer extends ServerInfo {
  alive: boolean;
  /** A signal (SIGSTOP, a terminal's Ctrl-Z) holds it: it takes calls and answers none. */
  stopped: boolean;
}

/** Returns the server the home names, or null when it names none. `alive` is about the process, not its port. */
export async function findServerProcess(home: string): Promise<FoundServer | null> {
  const info = await readServer(home);
  if (info === null) return null;
  const alive = isAlive(info);
  return { ...info, alive, stopped: alive && isStopped(info) };
}

/** Returns what the home says of its server, or null when it names none. Throws `home-unusable` when it cannot be read. */
export async function readServer(home: string): Promise<ServerInfo | null> {
  try {
    return await readServerFile(homeLayout(home).serverFile);
  } catch (error) {
    throw fail('home-unusable', `${home}: ${messageOf(error)}`, { cause: error });
  }
}

/** Whether this very process lives: same pid, same start time, not a zombie. */
export function isProcessAlive(identity: ProcessIdentity): boolean {
  return isAlive(identity);
}

/**
 * Asks the server of this home to stop (SIGTERM) and waits until its process is gone; agents go on. Returns its pid, or
 * null when none was alive. Throws `server-unreachable` when it has not ended in time.
 */
export async function stopServer(
  home: string,
  options: { timeoutMs?: number; signal?: AbortSignal } = {},
): Promise<number | null> {
  const timeoutMs = options.timeoutMs ?? STOP_MS;
  return endServer(home, {
    how: 'SIGTERM',
    timeoutMs,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
}

/** Kills the server of this home without a chance to tidy up (SIGKILL) and waits until it is gone: what a crash does. */
export async function killServer(home: string): Promise<number | null> {
  return endServer(home, { how: 'SIGKILL', timeoutMs: STOP_MS });
}

async function endServer(
  home: string,
  options: { how: 'SIGTERM' | 'SIGKILL'; timeoutMs: number; signal?: AbortSignal },
): Promise<number | null> {
  const server = await findServerProcess(home);
  if (server === null || !signalProcess(server, options.how)) return null;
  const until = performance.now() + options.timeoutMs;
  while (isAlive(server)) {
    if (performance.now() > until) {
      throw fail('server-unreachable', `process ${server.pid} was asked to stop but lives on`, {
        hint: 'Read server.log in the home; a server that hangs is replaced with `holdfast serve --takeover`.',
      });
    }
    await delay(POLL_MS, options.signal);
  }
  return server.pid;
}

/**
 * Ends every agent of a home whose server is gone for good, tools and keepers included, and returns once they are
 * verified dead. For homes made to be thrown away; a home in use is recovered by its next server instead.
 */
export async function endAttemptsOfHome(root: string): Promise<void> {
  const home = homeLayout(root);
  for (const job of await listNames(home.jobs)) {
    for (const number of await listNames(join(home.job(job), 'attempts'))) {
      await endAttempt(home.runDirectory(job, Number(number)));
    }
  }
}

async function endAttempt(runDir: string): Promise<void> {
  const text = await readIfExists(join(runDir, RUN_FILES.claim));
  if (text === null) return;
  const claim = JSON.parse(text.toString()) as Sealed<Claim>;
  await endStrays({ attempt: claim.attempt });
  if (claim.tombstone) return;
  // Its agent is gone, so the keeper writes the exit record and ends by itself.
  for (const until = performance.now() + STOP_MS; isAlive(claim) && performance.now() < until;) await delay(POLL_MS);
  signalProcess(claim, 'SIGKILL');
}

async function listNames(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}
