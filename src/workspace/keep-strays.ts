/** What an agent committed on branches it left, and put into a stash: the tree on disk has nothing of it. */
import { dirname, join } from 'node:path';
import { fail, isError } from '../kernel/errors.ts';
import { errnoOf } from '../kernel/result.ts';
import { keepCommit, packCommits, type Git } from './keep-commits.ts';
import { readHead } from './read-head.ts';
import { safeGit } from './safe-git.ts';
import { makeScratchRepository } from './scratch-repository.ts';
import { makeScratch, removeScratch } from './scratch.ts';
import { listRefs, listStrays, type Stray } from './stray-commits.ts';

export interface StraysRequest {
  mirrorDir: string;
  workspaceDir: string;
  /** Commit the workspace was made from. */
  baseCommit: string;
  op?: string | undefined;
  signal?: AbortSignal | undefined;
}

/** `ref` of the mirror has it; null where `why` says what keeps it out. */
export interface KeptStray {
  name: string;
  commit: string;
  ref: string | null;
  why: string | null;
}

/**
 * Keeps those commits in the mirror, under `<folder>/<commit>`: a name an agent chose need not be one of a ref. The agent is
 * dead (verified). Can be repeated. Throws `git-failed`, `git-timeout`, `storage-full` for faults that are ours.
 */
export async function keepStrays(request: StraysRequest & { folder: string }): Promise<KeptStray[]> {
  const { folder, baseCommit, ...rest } = request;
  if (!/^refs\/holdfast(?:\/[A-Za-z0-9_-]+){2}$/.test(folder)) throw fail('internal', `${folder} is not ours`);
  return withStrays<KeptStray>(request, async ({ strays, unread, git, scratch }) => {
    if (unread !== null) return [{ name: 'what lies beside its branch', commit: '', ref: null, why: unread }];
    const kept: KeptStray[] = [];
    for (const { name, commit } of strays) {
      const ref = `${folder}/${commit}`;
      const { path: packFile, refused: why } = await packCommits(git, { commit, baseCommit, scratch });
      if (why === null) await keepCommit({ ...rest, ref, message: name }, { commit, packFile });
      kept.push({ name, commit, ref: why === null ? ref : null, why });
    }
    return kept;
  });
}

/** Returns what they are called, without changing anything. Works while the agent does. */
export async function nameStrays(request: StraysRequest): Promise<string[]> {
  return withStrays(request, ({ strays }) => Promise.resolve(strays.map(({ name }) => name)));
}

interface Found {
  strays: readonly Stray[];
  /** Why its branches are not read; null when they are. */
  unread: string | null;
  /** Sees the objects of the mirror and of the workspace. */
  git: Git;
  scratch: string;
}

async function withStrays<T>(request: StraysRequest, use: (found: Found) => Promise<T[]>): Promise<T[]> {
  const { mirrorDir, workspaceDir, baseCommit, op, signal } = request;
  const found = await readHead(workspaceDir);
  const head = 'commit' in found ? found.commit : baseCommit;
  const gitDir = join(workspaceDir, '.git');
  const { commits, unread } = await readRefs(gitDir);
  // Nearly always there is nothing but the branch it is on.
  if (unread === null && commits.every((commit) => commit === head || commit === baseCommit)) return [];
  const scratch = await makeScratch(dirname(mirrorDir));
  try {
    const stores = [join(mirrorDir, 'objects'), join(gitDir, 'objects')];
    const seeing = join(scratch, 'strays.git');
    await makeScratchRepository({ gitDir: seeing, stores, like: baseCommit, op, signal });
    const runIn =
      (directory: string): Git =>
      (args, more) =>
        safeGit({ profile: { kind: 'local', gitDir: directory }, args, op, signal, ...more });
    const git = runIn(seeing);
    const strays = unread === null ? await listStrays({ workspaceDir, head, git, mirrorGit: runIn(mirrorDir) }) : [];
    return await use({ strays, unread, git, scratch });
  } finally {
    await removeScratch(scratch);
  }
}

/** Where `.git` is no directory there are none; a link among them is not followed. */
async function readRefs(gitDir: string): Promise<{ commits: string[]; unread: string | null }> {
  try {
    return { commits: [...(await listRefs(gitDir)).values()], unread: null };
  } catch (error) {
    if (errnoOf(error) === 'ENOTDIR') return { commits: [], unread: null };
    if (isError(error, 'workspace-unsafe')) return { commits: [], unread: error.detail };
    throw error;
  }
}
