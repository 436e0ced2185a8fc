/**
 * Everything on this host that belongs to an attempt or to an operation of a server, found in one pass over /proc by
 * the token in its environment, and ended by identity. A process without the token is still counted to the attempt
 * when it descends from one that has it. What cannot be read is named `perhaps`, never taken for absent.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../kernel/clock.ts';
import { errnoOf } from '../kernel/result.ts';
import { isAlive, readProcess, type ProcessIdentity, type ProcessStat } from './host-identity.ts';
import { readEnvironment, readVariable } from './process-environment.ts';
import { ATTEMPT_VARIABLE, HOST_VARIABLE, OPERATION_VARIABLE } from './protocol.ts';

/** A living process as one scan saw it. */
export interface ScannedProcess extends ProcessStat {
  /** Attempt named in its environment. */
  attempt: string | null;
  /** Operation named in its environment. */
  operation: string | null;
  /** Whatever is not `read` says nothing of where the process belongs. */
  environment: 'read' | 'empty' | 'overwritten' | 'unreadable';
}

/** One look at all processes. */
export interface ProcessScan {
  /** Milliseconds since 1970 before the first process was read. */
  takenAt: number;
  processes: ScannedProcess[];
  /** Attempt id → everything that carries its token or descends from such a process. */
  attempts: Map<string, ProcessIdentity[]>;
  /** Operation id → likewise. */
  operations: Map<string, ProcessIdentity[]>;
  /** Processes of this user that cannot be told: alive, and perhaps of any attempt that started before them. */
  perhaps: ScannedProcess[];
}

/** How ending a set of processes went. */
export interface EndResult {
  /** Processes that were signalled. */
  ended: number;
  /** Still there at the deadline. */
  left: ProcessIdentity[];
}

/** Pause between a round of signals and the next scan. */
const ROUND_MS = 20;
/** How often one scan looks for processes that came while it read the others. */
const LIST_PASSES = 8;
/** An environment may look empty for an instant at the end of an exec; it is believed after so many looks. */
const EMPTY_LOOKS = 3;
/** An exec takes microseconds, but on a busy machine it may be put aside in the middle: waited for up to about a second. */
const EXEC_TRIES = 500;
const EXEC_PAUSE_MS = 2;
const FIRST_PAUSE_MS = 0.2;
const PAUSE = new Int32Array(new SharedArrayBuffer(4));
const DEFAULT_DEADLINE_MS = 10_000;

let ownHost: string | null = null;

/**
 * Says which home this process serves: what names another one in its environment belongs to nobody here, whatever
 * attempt or operation it names. A home and the one its backup was restored to share those names.
 */
export function serveHost(host: string): void {
  ownHost = host;
}

/** The name by which a process is found: of another home, one that nobody here asks for. */
function qualify(name: string | null, environ: string): string | null {
  if (name === null || ownHost === null) return name;
  const host = readVariable(environ, HOST_VARIABLE);
  return host === null || host === ownHost ? name : `${host}/${name}`;
}

/** Looks at every process once. Zombies and kernel threads are left out. */
export function scanProcesses(): ProcessScan {
  const takenAt = systemClock.now();
  const processes = settle(listProcesses());
  const uid = process.getuid?.() ?? -1;
  return {
    takenAt,
    processes,
    attempts: groupBy(processes, 'attempt'),
    operations: groupBy(processes, 'operation'),
    perhaps: processes.filter(
      (one) => one.environment !== 'read' && one.pid > 1 && one.pid !== process.pid && belongsTo(one, uid),
    ),
  };
}

/** Reads every process, then those that came meanwhile: one that was listed may have ended and left a successor. */
function listProcesses(): ScannedProcess[] {
  const seen = new Set<string>();
  const processes: ScannedProcess[] = [];
  for (let pass = 0; pass < LIST_PASSES; pass++) {
    const fresh = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && !seen.has(name));
    if (fresh.length === 0) break;
    for (const name of fresh) {
      seen.add(name);
      const found = scanProcess(Number(name));
      if (found !== null) processes.push(found);
    }
  }
  return processes;
}

/**
 * Looks again at processes that show no environment: while a process replaces its image the kernel shows none, then an
 * empty one, and a tool of the attempt would be overlooked. All of them wait together.
 */
function settle(processes: ScannedProcess[]): ScannedProcess[] {
  let settled = processes;
  for (let tries = 0; tries < EXEC_TRIES; tries++) {
    const isOpen = (one: ScannedProcess): boolean =>
      one.environment === 'empty' && !one.exiting && (tries < EMPTY_LOOKS || one.environmentBytes !== 0);
    if (!settled.some(isOpen)) break;
    Atomics.wait(PAUSE, 0, 0, tries < EMPTY_LOOKS ? FIRST_PAUSE_MS : EXEC_PAUSE_MS);
    settled = settled.map((one) => (isOpen(one) ? scanProcess(one.pid) : one)).filter((one) => one !== null);
  }
  return settled;
}

function scanProcess(pid: number): ScannedProcess | null {
  // A thread of the kernel has no environment and never will: half of what a machine runs is such.
  const first = readProcess(pid);
  if (first === null || first.kernelThread) return null;
  const text = readEnvironment(pid);
  // Read after the environment, so that "it has none" is younger than the text it is said of.
  const stat = readProcess(pid);
  if (stat === null || stat.kernelThread || stat.dead) return null;
  if (text === null) return { ...stat, attempt: null, operation: null, environment: 'unreadable' };
  return {
    ...stat,
    attempt: qualify(readVariable(text, ATTEMPT_VARIABLE), text),
    operation: qualify(readVariable(text, OPERATION_VARIABLE), text),
    environment: text === '' ? 'empty' : text.includes('=') ? 'read' : 'overwritten',
  };
}

/** Whether a process runs as this user, effectively or really. Root owns none of the others: see `belongsTo`. */
export function isOwnedBy(one: ProcessIdentity, uid: number): boolean {
  try {
    const owner = /^Uid:\s+(\d+)\s+(\d+)/m.exec(readFileSync(`/proc/${one.pid}/status`, 'latin1'));
    return owner === null || Number(owner[1]) === uid || Number(owner[2]) === uid;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOENT' || errno === 'ESRCH') return false;
    throw error;
  }
}

/** What may be part of an attempt: for root, who may have started it as anybody, every process. */
function belongsTo(one: ProcessIdentity, uid: number): boolean {
  return uid === 0 || isOwnedBy(one, uid);
}

function groupBy(processes: ScannedProcess[], key: 'attempt' | 'operation'): Map<string, ProcessIdentity[]> {
  const groups = new Map<string, ProcessIdentity[]>();
  for (const value of new Set(processes.map((one) => one[key]))) {
    if (value !== null)
      groups.set(
        value,
        withDescendants(processes, key, (one) => one[key] === value),
      );
  }
  return groups;
}

/** The processes that satisfy `isRoot`, and their descendants that carry no other value of `key` of their own. */
function withDescendants(
  processes: ScannedProcess[],
  key: 'attempt' | 'operation',
  isRoot: (one: ScannedProcess) => boolean,
): ProcessIdentity[] {
  const found = new Map<number, ScannedProcess>();
  for (const one of processes) if (isRoot(one)) found.set(one.pid, one);
  for (let grew = found.size > 0; grew;) {
    grew = false;
    for (const one of processes) {
      if (found.has(one.pid) || !found.has(one.ppid) || one[key] !== null) continue;
      found.set(one.pid, one);
      grew = true;
    }
  }
  return [...found.values()].map(({ pid, start }) => ({ pid, start }));
}

/**
 * Returns what a scan shows of one attempt, this process excepted. With `agent`, the agent itself and the members of
 * its session count too, token or not; pass it only while that identity is known to hold its pid, because a session is
 * named by a bare pid.
 */
export function findAttempt(scan: ProcessScan, attempt: string, agent: ProcessIdentity | null): ProcessIdentity[] {
  const found =
    agent === null
      ? (scan.attempts.get(attempt) ?? [])
      : withDescendants(
          scan.processes,
          'attempt',
          (one) =>
            one.attempt === attempt ||
            (one.session === agent.pid && one.attempt === null && Number(one.start) >= Number(agent.start)),
        );
  return found.filter((one) => one.pid !== process.pid);
}

/**
 * Sends `signal` to this very process: its identity is read again right before. Returns false when it is no longer
 * alive; throws when it may not be signalled. Between the look and the signal lie microseconds, in which the pid cannot
 * come round again in practice.
 */
export function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): boolean {
  if (!isAlive(identity)) return false;
  try {
    process.kill(identity.pid, signal);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ESRCH') return false;
    throw error;
  }
}

/**
 * SIGKILLs whatever `find` names until two scans in a row show nothing: one scan alone may miss a process that is just
 * replacing its image or hopping from pid to pid. Ends at `deadlineMs` with what is left.
 */
export async function endProcesses(
  find: (scan: ProcessScan, round: number) => ProcessIdentity[],
  deadlineMs = DEFAULT_DEADLINE_MS,
): Promise<EndResult> {
  const until = performance.now() + deadlineMs;
  const signalled = new Set<string>();
  for (let round = 0, clean = 0; ; round++) {
    const left = find(scanProcesses(), round).filter((one) => one.pid !== process.pid);
    clean = left.length === 0 ? clean + 1 : 0;
    if (clean === 2) return { ended: signalled.size, left: [] };
    if (left.length > 0 && performance.now() >= until) return { ended: signalled.size, left };
    for (const one of left) if (tryKill(one)) signalled.add(`${one.pid}/${one.start}`);
    await sleep(clean === 1 ? 1 : ROUND_MS);
  }
}

function tryKill(one: ProcessIdentity): boolean {
  try {
    return signalProcess(one, 'SIGKILL');
  } catch (error) {
    // Of another user: it stays in `left`, which the caller must look at.
    if (errnoOf(error) === 'EPERM') return false;
    throw error;
  }
}

/**
 * Ends everything that carries the token of `attempt`, the agent included. While `agent` still lives, the members of its
 * session are ended with it, token or not. `left` is empty when all of it is verified dead.
 */
export async function endStrays(what: {
  attempt: string;
  agent?: ProcessIdentity | null;
  deadlineMs?: number;
}): Promise<EndResult> {
  const agent = what.agent !== undefined && what.agent !== null && isAlive(what.agent) ? what.agent : null;
  // Only at first: once the agent is dead its pid may come round again, and with it the name of its session.
  return endProcesses((scan, round) => findAttempt(scan, what.attempt, round < 2 ? agent : null), what.deadlineMs);
}

/** Ends every child of a server whose HOLDFAST_OP starts with `prefix`. `left` is empty when they are verified dead. */
export async function endOperation(prefix: string, deadlineMs?: number): Promise<EndResult> {
  return endProcesses(
    (scan) => [...scan.operations].filter(([id]) => id.startsWith(prefix)).flatMap(([, found]) => found),
    deadlineMs,
  );
}
