/** A process somebody told us of by its pid: taken down as an identity at once, and ended only as that. */
import { setTimeout as sleep } from 'node:timers/promises';
import { readFileSync } from 'node:fs';
import { fail } from '../kernel/errors.ts';
import {
  isAlive,
  readHostIdentity,
  readOwnIdentity,
  readProcess,
  TICKS_PER_SECOND,
  type ProcessIdentity,
} from './host-identity.ts';
import { endProcesses, isOwnedBy, scanProcesses, signalProcess, type ProcessScan } from './processes.ts';

/** A process of one boot and one pid namespace of this host. */
export interface RegisteredProcess extends ProcessIdentity {
  boot: string;
  pidns: string;
}

/** From SIGTERM to SIGKILL, milliseconds. */
const GRACE_MS = 5000;
/** How long a killed process may take to be gone, milliseconds. */
const KILL_DEADLINE_MS = 10_000;
const POLL_MS = 20;

/**
 * Returns the identity of the process that has this pid now. Throws `resource-refused` unless it lives, belongs to this
 * user, is no kernel thread, is not in `keepers`, and neither is nor holds this server: the process 1, this process,
 * and every process this one descends from.
 */
export function identifyProcess(pid: number, keepers: readonly ProcessIdentity[]): RegisteredProcess {
  const refuse = (why: string): Error => fail('resource-refused', `process ${pid} ${why}`);
  const found = pid > 0 ? readProcess(pid) : null;
  if (found === null || found.dead) throw refuse('does not exist');
  if (found.kernelThread) throw refuse('belongs to the kernel');
  if (pid === 1 || listAncestors().some((one) => one.pid === pid)) throw refuse('is the server, or what it runs in');
  if (keepers.some((one) => one.pid === pid && one.start === found.start)) throw refuse('is a keeper');
  if (!isOwnedBy(found, process.getuid?.() ?? -1)) throw refuse('belongs to another user');
  const { boot, pidns } = readHostIdentity();
  return { pid, start: found.start, boot, pidns };
}

/** Milliseconds since a process of this boot was started, by the kernel's clock. */
export function processAgeMs(identity: ProcessIdentity): number {
  const uptimeSeconds = Number.parseFloat(readFileSync('/proc/uptime', 'latin1'));
  return (uptimeSeconds - Number(identity.start) / TICKS_PER_SECOND) * 1000;
}

/**
 * Ends exactly this process and what descends from it: SIGTERM to it, then SIGKILL to all, verified dead. Returns false
 * when it was gone already, also when its pid has another owner by now: that one is not touched. Throws
 * `resource-failed` when something of it lives on, or when this server runs below it.
 */
export async function endRegistered(what: RegisteredProcess, graceMs = GRACE_MS): Promise<boolean> {
  const host = readHostIdentity();
  if (what.boot !== host.boot) return false;
  if (what.pidns !== host.pidns) {
    throw fail('resource-failed', `process ${what.pid} lives in another pid namespace`, {
      hint: 'End it there, then `holdfast resource remove --forget`.',
    });
  }
  if (!isAlive(what)) return false;
  if (what.pid === 1 || listAncestors().some((one) => one.pid === what.pid)) {
    throw fail('resource-failed', `this server runs below process ${what.pid}`);
  }
  // Taken down while it lives: once it is dead its children have another parent.
  const family = new Map<string, ProcessIdentity>();
  const note = (scan: ProcessScan): void => {
    for (const one of listFamily(scan, what)) family.set(`${one.pid}/${one.start}`, one);
  };
  note(scanProcesses());
  signalProcess(what, 'SIGTERM');
  for (const until = performance.now() + graceMs; isAlive(what) && performance.now() < until;) await sleep(POLL_MS);
  const { left } = await endProcesses((scan) => {
    note(scan);
    return [...family.values()].filter((one) => isAlive(one));
  }, KILL_DEADLINE_MS);
  if (left.length === 0) return true;
  throw fail('resource-failed', `process ${left.map((one) => one.pid).join(', ')} does not end`);
}

/** The process itself, while it has its pid, and everything below it. */
function listFamily(scan: ProcessScan, root: ProcessIdentity): ProcessIdentity[] {
  const own = scan.processes.find((one) => one.pid === root.pid && one.start === root.start);
  if (own === undefined) return [];
  const found = new Map([[own.pid, own]]);
  for (let grew = true; grew;) {
    grew = false;
    for (const one of scan.processes) {
      if (found.has(one.pid) || !found.has(one.ppid)) continue;
      found.set(one.pid, one);
      grew = true;
    }
  }
  return [...found.values()].map(({ pid, start }) => ({ pid, start }));
}

/** This process and those it descends from. */
function listAncestors(): ProcessIdentity[] {
  const line: ProcessIdentity[] = [readOwnIdentity()];
  for (let at = readProcess(process.pid)?.ppid ?? 0; at > 0;) {
    const parent = readProcess(at);
    if (parent === null) break;
    line.push({ pid: parent.pid, start: parent.start });
    at = parent.ppid;
  }
  return line;
}
