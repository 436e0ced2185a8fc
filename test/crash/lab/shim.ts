/**
 * The shim of the lab: a library preloaded into servers and keepers that counts every call that changes durable state,
 * writes it down, and makes the chosen one fail or be the last. Compiled when it is first needed; without a compiler the
 * lab cannot run and says what installs one.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { sha256 } from '../../../src/kernel/hash.ts';

const SOURCES = ['shim-record.c', 'shim-calls.c', 'shim.h'];
const CACHE = resolve(import.meta.dirname, '../../../node_modules/.cache/holdfast-lab');

/** Why the lab cannot run here, or null. */
export function whyNoShim(): string | false {
  if (process.platform !== 'linux') return 'the crash lab needs Linux';
  const found = spawnSync('cc', ['--version']).status === 0;
  return found
    ? false
    : 'the crash lab needs a C compiler: `sh scripts/install-lab-tools.sh` installs gcc and libc6-dev';
}

let built: string | null = null;

/** Returns the path of the compiled shim. Throws with the compiler's message, or what to install. */
function buildShim(): string {
  if (built !== null) return built;
  const why = whyNoShim();
  if (why !== false) throw new Error(why);
  const files = SOURCES.map((name) => join(import.meta.dirname, name));
  const sum = sha256(files.map((file) => readFileSync(file, 'utf8')).join('\0')).slice(0, 16);
  const library = join(CACHE, `shim-${sum}.so`);
  if (!existsSync(library)) compile(files.slice(0, 2), library);
  built = library;
  return library;
}

function compile(files: readonly string[], library: string): void {
  mkdirSync(CACHE, { recursive: true });
  const unfinished = `${library}.${process.pid}`;
  const flags = ['-O1', '-shared', '-fPIC', '-Wall', '-Wextra', '-Werror', '-o', unfinished];
  const { status, stderr } = spawnSync('cc', [...flags, ...files, '-ldl', '-lpthread'], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`the shim of the crash lab cannot be compiled:\n${stderr}`);
  renameSync(unfinished, library);
}

/** What is to happen at one call of a process. */
export interface Fault {
  /** `error` once, `errors` from then on. */
  when: 'before' | 'after' | 'torn' | 'error' | 'errors';
  /** Names joined by `+`, or `*` for every durable operation. */
  op: string;
  /** Path below the home with ids left out, or `*`. */
  path: string;
  /** Which of the calls that fit, from 1. */
  occurrence: number;
  /** Number of the error given; 0 where none is. */
  errno: number;
}

/** Returns a fault as the shim reads it, and as a person may give it to be replayed. */
export function formatFault(fault: Fault): string {
  return [fault.when, fault.op, fault.path, fault.occurrence, fault.errno].join(' ');
}

/** Reads what `formatFault` wrote. Throws on anything else. */
export function parseFault(text: string): Fault {
  const match = /^(before|after|torn|error|errors) (\S+) (\S+) ([1-9]\d*) (\d+)$/.exec(text);
  if (match === null) throw new Error(`"${text}" is no fault: WHEN OPERATION PATH OCCURRENCE ERRNO`);
  const [, when, op = '', path = '', occurrence, errno] = match;
  return { when: when as Fault['when'], op, path, occurrence: Number(occurrence), errno: Number(errno) };
}

/** Returns the variables under which a process is watched. */
export function shimEnvironment(what: {
  root: string;
  log: string;
  role: string;
  fault: Fault | null;
  /** Whether the log holds the bytes of every write, for a replay. */
  data: boolean;
  /** File by which only the first of several processes has the fault. */
  once?: string;
}): Record<string, string> {
  return {
    LD_PRELOAD: buildShim(),
    LAB_ROOT: what.root,
    LAB_LOG: what.log,
    LAB_ROLE: what.role,
    ...(what.fault === null ? {} : { LAB_FAULT: formatFault(what.fault) }),
    ...(what.once === undefined ? {} : { LAB_ONCE: what.once }),
    ...(what.data ? { LAB_DATA: '1' } : {}),
  };
}
