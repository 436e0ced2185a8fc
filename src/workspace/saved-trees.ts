/** The trees of a job that lie in a mirror, under `refs/holdfast/<job>/attempt-<n>` (see observe.ts). */
import { join } from 'node:path';
import { fail } from '../kernel/errors.ts';
import { failpoint } from '../kernel/failpoints.ts';
import { inTurnWithPackedRefs, PACKED_REFS } from './packed-refs.ts';
import { listNames, removeTree, exists } from './remove-tree.ts';
import { safeGit, type GitProfile } from './safe-git.ts';
import { renderDiff } from './render-diff.ts';

/** Name of the ref that holds the tree after an attempt. */
export function savedTreeRef(jobId: string, attempt: number): string {
  return `${folderOf(jobId)}/attempt-${attempt}`;
}

/** Folder of the refs that hold what lay on branches an attempt had left, and in its stash. */
export function strayFolder(jobId: string, attempt: number): string {
  return `${folderOf(jobId)}/stray-${attempt}`;
}

/** Name of the ref that holds what an attempt committed. */
export function candidateRef(jobId: string, attempt: number): string {
  return `${folderOf(jobId)}/candidate-${attempt}`;
}

/** Name of the ref that keeps what a merge under this claim made. */
export function mergeRef(jobId: string, fence: number): string {
  return `${folderOf(jobId)}/merge-${fence}`;
}

/** Name of the ref that holds what was handed off. */
export function handOffRef(jobId: string): string {
  return `${folderOf(jobId)}/hand-off`;
}

function folderOf(jobId: string): string {
  if (!/^[A-Za-z0-9_-]+$/.test(jobId)) throw fail('internal', `${jobId} is no id`);
  return `refs/holdfast/${jobId}`;
}

interface SavedRef {
  ref: string;
  commit: string;
  /** Of `attempt-<n>` and `candidate-<n>`, else 0. */
  attempt: number;
  /** What was committed: it stands on the base; a saved tree is one commit with everything in it. */
  isCandidate: boolean;
}

async function listSavedTrees(mirrorDir: string, jobId: string): Promise<SavedRef[]> {
  const profile: GitProfile = { kind: 'local', gitDir: mirrorDir };
  const args = ['for-each-ref', '--format=%(objectname) %(refname)', '--', `${folderOf(jobId)}/`];
  const { text } = await safeGit({ profile, args });
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line) => {
    const [commit = '', ref = ''] = line.split(' ');
    const [, kind, attempt = 0] = /\/(attempt|candidate)-(\d+)$/.exec(ref) ?? [];
    return { ref, commit, attempt: Number(attempt), isCandidate: kind === 'candidate' };
  });
}

/** Returns the commit of the newest tree of a job that is kept, saved or committed, or null. */
export async function findSavedTree(mirrorDir: string, jobId: string): Promise<string | null> {
  return (await findNewestWork(mirrorDir, jobId))?.commit ?? null;
}

/** Returns what is kept of the newest work of a job, or null. Of one attempt that is what it committed. */
export async function findNewestWork(
  mirrorDir: string,
  jobId: string,
): Promise<{ commit: string; isCandidate: boolean } | null> {
  if (!(await exists(mirrorDir))) return null;
  // What lay beside a branch, a merge and a hand-off have refs as well, and are of no attempt.
  const saved = (await listSavedTrees(mirrorDir, jobId)).filter(({ attempt }) => attempt > 0);
  return saved.toSorted((a, b) => b.attempt - a.attempt || Number(b.isCandidate) - Number(a.isCandidate))[0] ?? null;
}

/** Returns the newest commit of a job that was taken as its work, or null. */
export async function findNewestCandidate(mirrorDir: string, jobId: string): Promise<string | null> {
  const candidates = (await listSavedTrees(mirrorDir, jobId)).filter(({ isCandidate }) => isCandidate);
  return candidates.toSorted((a, b) => b.attempt - a.attempt)[0]?.commit ?? null;
}

/** Returns what was kept of branches its agents had left: the newest of each commit, as `branch x is kept as <ref>`. */
async function tellOfStrays(mirrorDir: string, jobId: string): Promise<string[]> {
  const profile: GitProfile = { kind: 'local', gitDir: mirrorDir };
  const strays = (await listSavedTrees(mirrorDir, jobId)).filter(({ ref }) => /\/stray-\d+\//.test(ref));
  const newest = new Map(strays.map(({ ref, commit }) => [commit, ref]));
  return Promise.all(
    [...newest.values()].map(async (ref) => {
      const { text } = await safeGit({ profile, args: ['log', '-g', '-1', '--format=%gs', ref, '--'] });
      return `${text === '' ? 'a branch' : text} is kept as ${ref}`;
    }),
  );
}

/**
 * Returns the unified diff from `baseCommit` to a saved tree of a job, after a note of what else of it is kept.
 * Throws `git-failed`, `git-timeout`.
 */
export async function diffSavedTree(request: {
  mirrorDir: string;
  jobId: string;
  baseCommit: string;
  commit: string;
  /** Directory the names are shown in. */
  prefix?: string | undefined;
  op: string;
}): Promise<string> {
  const { mirrorDir, jobId, baseCommit, commit, prefix, op } = request;
  const notes = await tellOfStrays(mirrorDir, jobId);
  return renderDiff({ gitDir: mirrorDir, from: baseCommit, to: commit, notes, prefix, op });
}

/**
 * Deletes the saved trees of a job that is removed; fine when there are none. The caller has verified that nothing saves
 * one of them any more: a lock file there is what a killed git left. Can be repeated.
 */
export async function deleteSavedTrees(request: { mirrorDir: string; jobId: string; op: string }): Promise<void> {
  const { mirrorDir, jobId, op } = request;
  failpoint('removal.before-refs');
  if (await exists(mirrorDir)) {
    const directory = join(mirrorDir, folderOf(jobId));
    for (const folder of ['', ...(await listNames(directory)).filter((name) => name.startsWith('stray-'))]) {
      for (const name of await listNames(join(directory, folder))) {
        if (name.endsWith('.lock')) await removeTree(join(directory, folder, name), op);
      }
    }
    const saved = await listSavedTrees(mirrorDir, jobId);
    if (saved.length > 0) {
      const input = saved.map(({ ref, commit }) => `delete ${ref}\0${commit}\0`).join('');
      const profile: GitProfile = { kind: 'local', gitDir: mirrorDir };
      const git = { profile, args: ['update-ref', '-z', '--stdin'], config: [PACKED_REFS], input, op };
      await inTurnWithPackedRefs(mirrorDir, () => safeGit(git));
    }
  }
  failpoint('removal.after-refs');
}
