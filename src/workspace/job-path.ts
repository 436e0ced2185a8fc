/** A path that a job names inside its own directories: reached without a symlink, never out of them, never all of them. */
import { lstat } from 'node:fs/promises';
import { isAbsolute, join, relative } from 'node:path';
import { fail } from '../kernel/errors.ts';
import { errnoOf } from '../kernel/result.ts';
import { discardWorkspace } from './discard-workspace.ts';

/** The directories of a job that hold what its agent made. */
export interface JobRoots {
  workspace: string;
  home: string;
}

export interface JobPath {
  root: keyof JobRoots;
  /** Relative to the root, in plain parts. */
  path: string;
}

const MAX_PATH = 4096;

/**
 * Returns where a path of a job lies: an absolute one inside its workspace or its agent's home, or one relative to the
 * workspace. Throws `resource-refused` for anything else: the directories themselves, `.git` of the workspace, a way
 * through a symlink, something that does not exist.
 */
export async function locateJobPath(roots: JobRoots, text: string): Promise<JobPath> {
  const refuse = (why: string): Error => fail('resource-refused', `${JSON.stringify(text)} ${why}`);
  // oxlint-disable-next-line no-control-regex -- control characters are what is refused
  if (text === '' || text.length > MAX_PATH || /[\u0000-\u001f\u007f]/.test(text)) throw refuse('is not a path');
  const found = split(roots, text.replace(/\/+$/, ''));
  if (found === null) throw refuse("lies neither in the workspace nor in the agent's home of the job");
  const parts = found.path.split('/');
  if (parts.some((part) => part === '' || part === '.' || part === '..')) throw refuse('is not a plain path');
  if (found.root === 'workspace' && parts[0] === '.git') throw refuse('holds the work of the job');
  const why = await whyUnreachable(roots[found.root], parts);
  if (why === 'absent') throw refuse('does not exist');
  if (why !== null) throw refuse(why);
  return found;
}

function split(roots: JobRoots, text: string): JobPath | null {
  if (!isAbsolute(text)) return { root: 'workspace', path: text };
  for (const root of ['workspace', 'home'] as const) {
    const path = relative(roots[root], text);
    if (path !== '' && path !== '..' && !path.startsWith('../') && !isAbsolute(path)) return { root, path };
  }
  return null;
}

/**
 * Removes what lies at a path of a job, by a rename out of its place first; returns false when there is nothing. A
 * symlink at the end is removed itself, one on the way is refused (`resource-failed`). Nothing of the job may live: a
 * living one could swap a directory for a link between the look and the rename.
 */
export async function removeJobPath(
  roots: JobRoots,
  what: JobPath & { removalsDir: string; op: string },
): Promise<boolean> {
  const root = roots[what.root];
  const parts = what.path.split('/');
  const why = await whyUnreachable(root, parts);
  // Also when it is gone already: an earlier try may have got as far as the rename.
  if (why !== null && why !== 'absent') throw fail('resource-failed', `${what.path} ${why}`);
  await discardWorkspace({ workspaceDir: join(root, what.path), removalsDir: what.removalsDir, op: what.op });
  return why === null;
}

async function whyUnreachable(root: string, parts: readonly string[]): Promise<string | null> {
  let at = root;
  for (const [index, part] of ['', ...parts].entries()) {
    if (index > 0) at = join(at, part);
    const stat = await lstat(at).catch((error: unknown) => {
      if (errnoOf(error) === 'ENOENT') return null;
      throw error;
    });
    if (stat === null) return 'absent';
    if (index < parts.length && !stat.isDirectory()) return 'is reached through something that is not a directory';
  }
  return null;
}
