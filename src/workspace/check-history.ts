/** Whether work can go on in a repository an agent owns. It is read as data, never by its own configuration. */
import { dirname, join } from 'node:path';
import { checkWorkspace } from './check-workspace.ts';
import type { Git } from './keep-commits.ts';
import { readHead } from './read-head.ts';
import { safeGit } from './safe-git.ts';
import { makeScratchRepository } from './scratch-repository.ts';
import { makeScratch, removeScratch } from './scratch.ts';

export interface WorkableRequest {
  mirrorDir: string;
  workspaceDir: string;
  /** Commit the work began at. */
  baseCommit: string;
  op?: string | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * Returns why no further work in this workspace could ever be taken from it, or null: its repository is gone or cannot be
 * trusted, or its history does not stand on the base. Whatever else keeps work from being taken (a branch that was left,
 * a repository inside its own) is mended where it lies. Throws `git-failed`, `git-timeout`, `storage-full`.
 */
export async function whyUnworkable(request: WorkableRequest): Promise<string | null> {
  const { mirrorDir, workspaceDir, baseCommit, op, signal } = request;
  const unsafe = await checkWorkspace(workspaceDir, mirrorDir);
  if (unsafe !== null) return unsafe;
  const head = await readHead(workspaceDir);
  if ('why' in head) return head.why;
  const { commit } = head;
  if (commit.length !== baseCommit.length) return 'its commits have ids of another form';
  const scratch = await makeScratch(dirname(mirrorDir));
  try {
    const stores = [join(mirrorDir, 'objects'), join(workspaceDir, '.git', 'objects')];
    const where = { gitDir: join(scratch, 'history.git'), stores, like: baseCommit };
    const gitDir = await makeScratchRepository({ ...where, op, signal });
    const git: Git = (args, more) => safeGit({ profile: { kind: 'local', gitDir }, args, op, signal, ...more });
    return await whyBroken(git, { commit, baseCommit });
  } finally {
    await removeScratch(scratch);
  }
}

/** Returns why a history is not whole or does not stand on the base, or null. Reads every object that is not of the base. */
export async function whyBroken(
  git: Git,
  { commit, baseCommit }: { commit: string; baseCommit: string },
): Promise<string | null> {
  const type = await git(['cat-file', '-t', commit], { okCodes: [0, 128] });
  if (type.text !== 'commit') return `HEAD names ${commit}, which is no commit of its repository`;
  const walk = ['rev-list', '--objects', '--quiet', commit, `^${baseCommit}`, '--'];
  if ((await git(walk, { okCodes: [0, 1, 128], timeoutMs: 600_000 })).code !== 0)
    return 'objects of its commits are missing or damaged';
  const descends = await git(['merge-base', '--is-ancestor', baseCommit, commit], { okCodes: [0, 1] });
  return descends.code === 0 ? null : `its history does not stand on ${baseCommit}, from which it was started`;
}
