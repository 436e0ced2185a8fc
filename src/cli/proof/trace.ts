/** What a server, and everything it starts, writes where: told by strace, where that is installed. */
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { isAbsolute, join, resolve } from 'node:path';

/** Calls that make, change or remove what a path names. */
const CHANGES = (
  'mkdir mkdirat rmdir unlink unlinkat rename renameat renameat2 link linkat symlink symlinkat mknod mknodat truncate ' +
  'chmod fchmodat chown lchown fchownat utime utimes utimensat futimesat setxattr lsetxattr removexattr lremovexattr'
).split(' ');
const OPENS = ['open', 'openat', 'openat2', 'creat'];
const MOVES = ['chdir', 'fchdir'];
const MAX_OUTSIDE = 20;

/** Returns the absolute path of strace, or null. */
export async function findStrace(searchPath: string | undefined): Promise<string | null> {
  for (const directory of (searchPath ?? '').split(':').filter((one) => isAbsolute(one))) {
    const path = join(directory, 'strace');
    try {
      await access(path, constants.X_OK);
      return path;
    } catch {
      // Not in this one.
    }
  }
  return null;
}

/** Returns the words before a command that has its writes told in `file`; it keeps its pid, and its parent. */
export function traceWords(strace: string, file: string): string[] {
  const calls = [...CHANGES, ...OPENS, ...MOVES].map((call) => `?${call}`).join(',');
  return [strace, '-D', '-f', '--seccomp-bpf', '-y', '-o', file, '-e', `trace=${calls}`, '-e', 'signal=none'];
}

export interface Writes {
  /** Calls that wrote something. */
  count: number;
  /** Paths outside of all `roots`, at most 20. */
  outside: string[];
  /** Processes that were told of and have not ended. */
  open: number;
}

/**
 * Reads what strace told. Devices and `/proc` are no files anybody keeps. A relative path is taken from the directory the
 * process was last seen in: every program opens something by such a path as it begins.
 */
export function readWrites(text: string, roots: readonly string[]): Writes {
  const cwd = new Map<string, string>();
  const halves = new Map<string, string>();
  const outside = new Set<string>();
  const alive = new Set<string>();
  let count = 0;
  for (const line of text.split('\n')) {
    const [, pid = '', said = ''] = /^(\d+) +(.*)$/.exec(line) ?? [];
    if (pid === '') continue;
    if (/^\+\+\+ (?:exited|killed)/.test(said)) {
      alive.delete(pid);
      continue;
    }
    alive.add(pid);
    const call = joinHalves(halves, pid, said);
    if (call === null) continue;
    for (const path of pathsWritten(call, pid, cwd)) {
      count++;
      if (!isIgnored(path) && !roots.some((root) => path === root || path.startsWith(`${root}/`))) outside.add(path);
    }
  }
  return { count, outside: [...outside].slice(0, MAX_OUTSIDE), open: alive.size };
}

/** A call that was told in two parts, because another process was told of between, as one; null for its first part. */
function joinHalves(halves: Map<string, string>, pid: string, said: string): string | null {
  if (said.endsWith(' <unfinished ...>')) {
    halves.set(pid, said.slice(0, -' <unfinished ...>'.length));
    return null;
  }
  const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(said);
  if (resumed === null) return said;
  const begun = halves.get(pid) ?? '';
  halves.delete(pid);
  return begun + (resumed[1] ?? '');
}

/** Absolute paths a call has written; none of one that failed. */
function pathsWritten(call: string, pid: string, cwd: Map<string, string>): string[] {
  const [, name = '', words = '', result = ''] = /^(\w+)\((.*)\) += (.*)$/.exec(call) ?? [];
  const here = /AT_FDCWD<([^>]*)>/.exec(words)?.[1];
  if (here !== undefined) cwd.set(pid, here);
  if (name === '' || result.startsWith('-1') || result.startsWith('?')) return [];
  const from = cwd.get(pid) ?? '/';
  if (OPENS.includes(name)) {
    const writes = name === 'creat' || /\bO_(?:WRONLY|RDWR|CREAT|TRUNC)\b/.test(words);
    const path = /^\d+<([^>]*)>/.exec(result)?.[1];
    return writes && path !== undefined ? [path] : [];
  }
  const named = [...words.matchAll(/(?:(?:AT_FDCWD|\d+)<([^>]*)>, )?"((?:[^"\\]|\\.)*)"/g)].map(
    ([, directory, path = '']) => resolve(directory ?? from, path),
  );
  if (name === 'chdir') cwd.set(pid, named[0] ?? from);
  if (name === 'fchdir') cwd.set(pid, /^\d+<([^>]*)>/.exec(words)?.[1] ?? from);
  if (!CHANGES.includes(name)) return [];
  // What a symbolic link says is no place that is written to.
  return name.startsWith('symlink') ? named.slice(1) : named;
}

function isIgnored(path: string): boolean {
  return !path.startsWith('/') || /^\/(?:dev|proc)(?:\/|$)/.test(path);
}
