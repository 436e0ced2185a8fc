import { readFileSync, readdirSync } from 'node:fs';
import { errnoOf } from '../kernel/result.ts';

/**
 * Returns the environment that process `pid` was started with as /proc shows it: empty when the process is gone or
 * shows none, null when we may not read it. Throws when /proc does not tell.
 */
export function readEnvironment(pid: number): string | null {
  const own = readEnviron(`/proc/${pid}/environ`);
  // A process whose first thread has ended shows none, although others of it may run: each of them still shows it.
  return own === '' ? readFromThreads(`/proc/${pid}/task`) : own;
}

/** Returns the value of `name` in the text of an environment, or null. */
export function readVariable(environ: string, name: string): string | null {
  const block = `\0${environ}`;
  const at = block.indexOf(`\0${name}=`);
  if (at === -1) return null;
  const from = at + name.length + 2;
  const to = block.indexOf('\0', from);
  return block.slice(from, to === -1 ? undefined : to);
}

function readFromThreads(folder: string): string | null {
  const threads = unlessGone([], () => readdirSync(folder));
  const texts = threads.map((thread) => readEnviron(`${folder}/${thread}/environ`));
  if (texts.includes(null)) return null;
  return texts.find((text) => text !== '') ?? '';
}

function readEnviron(path: string): string | null {
  try {
    return unlessGone('', () => readFileSync(path, 'latin1'));
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'EACCES' || errno === 'EPERM') return null;
    throw error;
  }
}

function unlessGone<T>(gone: T, read: () => T): T {
  try {
    return read();
  } catch (error) {
    const errno = errnoOf(error);
    // ESRCH: it ended between open and read, or this thread of it has.
    if (errno === 'ENOENT' || errno === 'ESRCH') return gone;
    throw error;
  }
}
