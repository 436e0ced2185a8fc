/** Step 4: finds what argv[0] means and whether it can be executed, before anything is claimed. */
import { accessSync, closeSync, constants, openSync, readSync, statSync } from 'node:fs';
import { delimiter, isAbsolute, resolve } from 'node:path';
import { errnoOf } from '../../kernel/result.ts';
import type { Spec } from '../protocol.ts';

/** What to execute, or why it cannot be. */
export type Command = { path: string } | { errno: string; reason: string };

/**
 * Looks argv[0] up in the agent's own PATH when it has no slash, as execvp does; relative paths are relative to the
 * agent's directory. The interpreter named in a `#!` line is checked too.
 */
export function resolveCommand(spec: Spec): Command {
  const name = spec.argv[0] ?? '';
  const candidates = name.includes('/')
    ? [resolve(spec.cwd, name)]
    : (spec.env['PATH'] ?? '').split(delimiter).map((folder) => resolve(spec.cwd, folder, name));
  let worst: Command = { errno: 'ENOENT', reason: `${name}: command not found` };
  for (const path of candidates) {
    const errno = whyNotExecutable(path);
    if (errno === null) return checkInterpreter(path);
    // Like a shell: a later folder may have it, but "not allowed" says more than "not found".
    if (errno !== 'ENOENT' && errno !== 'ENOTDIR') worst = { errno, reason: `${path}: ${errno}` };
  }
  return worst;
}

function whyNotExecutable(path: string): string | null {
  try {
    if (!statSync(path).isFile()) return 'EACCES';
    accessSync(path, constants.X_OK);
    return null;
  } catch (error) {
    return errnoOf(error) ?? 'EIO';
  }
}

function checkInterpreter(path: string): Command {
  const interpreter = readInterpreter(path);
  if (interpreter === null) return { path };
  const errno = whyNotExecutable(interpreter);
  return errno === null ? { path } : { errno, reason: `${path}: its interpreter ${interpreter}: ${errno}` };
}

function readInterpreter(path: string): string | null {
  const head = Buffer.alloc(256);
  let size: number;
  try {
    const fd = openSync(path, 'r');
    try {
      size = readSync(fd, head);
    } finally {
      closeSync(fd);
    }
  } catch {
    // Executable without being readable: nothing to check.
    return null;
  }
  const found = /^#![ \t]*([^ \t\n]+)/.exec(head.toString('latin1', 0, size))?.[1];
  return found !== undefined && isAbsolute(found) ? found : null;
}
