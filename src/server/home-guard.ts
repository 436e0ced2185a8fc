import { isAlive, readProcess } from '../keeper/host-identity.ts';
import { signalProcess } from '../keeper/processes.ts';
import { delay } from '../kernel/backoff.ts';
import { fail } from '../kernel/errors.ts';
import type { Log } from '../kernel/log.ts';
import type { Home } from '../lifecycle/home.ts';
import { takeHomeLock, type HomeLock } from '../store/sqlite/home-lock.ts';
import { readServerFile, type ServerInfo } from './server-file.ts';

/** How long a killed holder may take to let go, milliseconds. */
const TAKEOVER_WAIT_MS = 10_000;
const TAKEOVER_POLL_MS = 50;
/** How long a server that has just taken the home may take to name itself, milliseconds. */
const NAME_WAIT_MS = 3000;

/**
 * Phase 0: takes the right to serve this home. Throws `home-held`, naming the holder, when another server has it; a
 * stopped one still has it. With `takeover` the holder is killed by its identity first, never by its pid alone.
 */
export async function guardHome(home: Home, options: { takeover: boolean; log: Log }): Promise<HomeLock> {
  const lock = takeHomeLock(home.serverLock);
  if (lock !== null) return lock;
  const holder = await awaitHolder(home);
  if (!options.takeover || holder === null) throw heldBy(home, holder);
  const identity = { pid: holder.pid, start: holder.start };
  options.log.warn(`taking over ${home.root} from process ${holder.pid}`);
  if (!isAlive(identity) || !signalProcess(identity, 'SIGKILL')) throw heldBy(home, holder);
  for (let waited = 0; waited < TAKEOVER_WAIT_MS; waited += TAKEOVER_POLL_MS) {
    const taken = takeHomeLock(home.serverLock, 0);
    if (taken !== null) return taken;
    await delay(TAKEOVER_POLL_MS);
  }
  throw heldBy(home, holder);
}

/** Returns the living server that has the home, or null when it does not name itself: a dead one's file names nobody. */
async function awaitHolder(home: Home): Promise<ServerInfo | null> {
  for (let waited = 0; waited < NAME_WAIT_MS; waited += TAKEOVER_POLL_MS) {
    const named = await readServerFile(home.serverFile);
    if (named !== null && isAlive(named)) return named;
    await delay(TAKEOVER_POLL_MS);
  }
  return null;
}

function heldBy(home: Home, holder: ServerInfo | null): Error {
  if (holder === null) {
    return fail('home-held', `${home.root} is held by a server that is starting or cannot be named`);
  }
  const found = readProcess(holder.pid);
  const same = found !== null && found.start === holder.start;
  const stopped = same && (found.state === 'T' || found.state === 't');
  const hint = stopped
    ? `It is stopped; continue it (kill -CONT ${holder.pid}) or take over with \`holdfast serve --takeover\`.`
    : undefined;
  return fail(
    'home-held',
    `${home.root} is held by process ${holder.pid}${stopped ? ', which is stopped,' : ''} at ${holder.url} (boot ${holder.bootId})`,
    hint === undefined ? {} : { hint },
  );
}
