/**
 * Who a process is: a pid alone means nothing, because pids are reused and differ between namespaces. Alive means same
 * boot, same pid, same start time, and a thread left that can run: a zombie is dead once it is alone.
 */
import { readFileSync, readlinkSync } from 'node:fs';
import { fail } from '../kernel/errors.ts';
import { errnoOf, messageOf } from '../kernel/result.ts';

/** What distinguishes this boot and pid namespace from every other. */
export interface HostIdentity {
  /** Kernel boot id. */
  boot: string;
  /** Inode name of the pid namespace. */
  pidns: string;
  /** Start time of pid 1: two containers of one host may be given the same namespace inode one after the other. */
  init: string;
}

/** A process of this boot and namespace. */
export interface ProcessIdentity {
  pid: number;
  /** Field 22 of /proc/<pid>/stat: clock ticks between boot and its start. */
  start: string;
}

/** One look at a process. */
export interface ProcessStat extends ProcessIdentity {
  /** One letter, of its first thread: Z when that has ended, T when a signal stopped it. */
  state: string;
  /** It has ended, although /proc may still show it: no thread of it can run. */
  dead: boolean;
  ppid: number;
  session: number;
  /** CPU time used by it and by the children it has waited for, in clock ticks. */
  cpuTicks: number;
  kernelThread: boolean;
  /** It runs no program any more, although it may take a while to be gone. */
  exiting: boolean;
  /** Size of its environment; null while it replaces its image, and when it is not ours to know. */
  environmentBytes: number | null;
}

/** Where to look; replaced in tests that need another boot. */
export interface IdentityPaths {
  bootId?: string;
  namespace?: string;
  initStat?: string;
}

/** Clock ticks per second as /proc shows them; fixed for user space on every Linux architecture. */
export const TICKS_PER_SECOND = 100;

const KERNEL_THREAD_FLAG = 0x0020_0000;
const EXITING_FLAG = 0x0000_0004;
const GONE_STATES = new Set(['X', 'x']);

/**
 * Returns the identity of this host. Throws `home-unusable` when /proc does not show process 1 (hidepid): there
 * "no such process" would be read as "dead".
 */
export function readHostIdentity(paths: IdentityPaths = {}): HostIdentity {
  try {
    const init = parseStat(readFileSync(paths.initStat ?? '/proc/1/stat', 'latin1'));
    return {
      boot: readFileSync(paths.bootId ?? '/proc/sys/kernel/random/boot_id', 'latin1').trim(),
      pidns: readlinkSync(paths.namespace ?? '/proc/self/ns/pid'),
      init: init.start,
    };
  } catch (error) {
    throw fail('home-unusable', `/proc does not tell who lives: ${messageOf(error)}`, {
      hint: 'Mount /proc without hidepid, or run the server as a user who can see process 1.',
      cause: error,
    });
  }
}

/** Reads the text of /proc/<pid>/stat; the command in it may hold spaces and brackets. Throws when it is not one. */
export function parseStat(text: string): ProcessStat {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const at = (number: number): number => Number(fields[number - 3]);
  const start = fields[22 - 3];
  const state = fields[0];
  if (start === undefined || !/^\d+$/.test(start) || state === undefined) throw new Error('not a stat line');
  return {
    pid: Number.parseInt(text, 10),
    start,
    state,
    // A zombie counts itself: more threads than one means that others of it still run, hold files and write.
    dead: GONE_STATES.has(state) || (state === 'Z' && at(20) <= 1),
    ppid: at(4),
    session: at(6),
    cpuTicks: at(14) + at(15) + at(16) + at(17),
    kernelThread: (at(9) & KERNEL_THREAD_FLAG) !== 0,
    exiting: (at(9) & EXITING_FLAG) !== 0,
    environmentBytes: at(51) > 0 ? at(51) - at(50) : null,
  };
}

/** Returns process `pid` as it is now, or null when there is none. Throws when /proc does not tell. */
export function readProcess(pid: number): ProcessStat | null {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch (error) {
    const errno = errnoOf(error);
    // ESRCH: it ended between open and read.
    if (errno === 'ENOENT' || errno === 'ESRCH') return null;
    throw error;
  }
  return parseStat(text);
}

/** Whether this very process of this boot and namespace lives: same pid, same start time, a thread left that can run. */
export function isAlive(identity: ProcessIdentity): boolean {
  const found = readProcess(identity.pid);
  return found !== null && found.start === identity.start && !found.dead;
}

/** Whether this very process lives and is held by a signal or a debugger. */
export function isStopped(identity: ProcessIdentity): boolean {
  const found = readProcess(identity.pid);
  return found !== null && found.start === identity.start && /^[Tt]$/.test(found.state);
}

/** Returns the identity of the calling process. */
export function readOwnIdentity(): ProcessIdentity {
  const own = readProcess(process.pid);
  if (own === null) throw fail('home-unusable', '/proc does not show this process');
  return { pid: own.pid, start: own.start };
}
