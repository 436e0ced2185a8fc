import { fail } from '../kernel/errors.ts';
import { syncFileSystem } from './file-system.ts';
import { setRef } from './set-ref.ts';
import { safeGit, type GitProfile } from './safe-git.ts';

export interface MergeRequest {
  mirrorDir: string;
  /** Commit the base branch is at. */
  base: string;
  /** Harvested commit, in the mirror. */
  candidate: string;
  /** Commit the work began at; the candidate stands on it. */
  begunAt: string;
  /** Of the merge commit, if one is needed. */
  message: string;
  /** `refs/holdfast/<job>/merge-<n>`: keeps the result. */
  ref: string;
  op: string;
  signal?: AbortSignal | undefined;
}

export type MergeOutcome =
  /** `commit` stands on `base`: the candidate itself where that is possible, else a merge of both. */
  | { kind: 'merged'; commit: string; fastForward: boolean }
  /**
   * Both sides changed these paths in ways that do not go together; `text` is git's own account. `rewritten`: the base
   * dropped commits the work stands on.
   */
  | { kind: 'conflict'; paths: string[]; text: string; rewritten: boolean }
  /** The base has everything of it already. */
  | { kind: 'empty' };

const IDENTITY = ['user.name=Holdfast', 'user.email=holdfast@holdfast.invalid'];
const MAX_PATHS = 200;

/**
 * Merges a candidate with the base inside the mirror, without a work tree: nothing of either is checked out, no driver or
 * filter is run, no branch moves. Where the base was rewritten (force-pushed) since the work began, only the changes of the
 * work are put on it, as one commit: what was dropped does not come back. The result is durable and kept under `ref`. Can be repeated.
 * Throws `git-failed`, `git-timeout`, `storage-full`.
 */
export async function mergeCandidate(request: MergeRequest): Promise<MergeOutcome> {
  const { mirrorDir, base, candidate, begunAt, op, signal } = request;
  if (!/^refs\/holdfast\/[A-Za-z0-9_-]+\/merge-\d+$/.test(request.ref))
    throw fail('internal', `${request.ref} is not ours`);
  const profile: GitProfile = { kind: 'local', gitDir: mirrorDir };
  const git = (args: readonly string[], more: { okCodes?: readonly number[]; input?: string } = {}) =>
    safeGit({ profile, args, config: [...IDENTITY, 'core.logAllRefUpdates=always'], op, signal, ...more });
  const isIn = async (one: string, other: string): Promise<boolean> =>
    (await git(['merge-base', '--is-ancestor', one, other], { okCodes: [0, 1] })).code === 0;
  const keep = async (commit: string): Promise<void> => {
    // What was made here is many small objects: all of them are durable, with their names, before a ref names one.
    await syncFileSystem(mirrorDir, op);
    await setRef({ mirrorDir, ref: request.ref, commit, message: 'merge', op, signal });
  };

  if (await isIn(candidate, base)) return { kind: 'empty' };
  const rewritten = !(await isIn(begunAt, base));
  if (!rewritten && (await isIn(base, candidate))) {
    if (await haveSameTree(git, base, candidate)) return { kind: 'empty' };
    await keep(candidate);
    return { kind: 'merged', commit: candidate, fastForward: true };
  }
  const baseTree = (await git(['rev-parse', `${base}^{tree}`])).text;
  // A commit that stands where the work began makes that the commit both sides are compared with.
  const ours = rewritten ? (await git(['commit-tree', '-p', begunAt, '-m', 'base', baseTree])).text : base;
  const merged = await git(['merge-tree', '--write-tree', '-z', '--name-only', '--messages', ours, candidate], {
    okCodes: [0, 1],
  });
  const [tree = '', ...rest] = merged.stdout.toString('utf8').split('\0');
  if (merged.code === 1) return { ...describeConflict(rest), rewritten };
  if (baseTree === tree) return { kind: 'empty' };
  const parents = rewritten ? ['-p', base] : ['-p', base, '-p', candidate];
  const commitArgs = ['commit-tree', ...parents, '-F', '-', tree];
  const commit = (await git(commitArgs, { input: `${request.message}\n` })).text;
  await keep(commit);
  return { kind: 'merged', commit, fastForward: false };
}

type Git = (args: readonly string[]) => Promise<{ text: string }>;

async function haveSameTree(git: Git, one: string, other: string): Promise<boolean> {
  return (await git(['rev-parse', `${one}^{tree}`])).text === (await git(['rev-parse', `${other}^{tree}`])).text;
}

/** Paths up to an empty entry, then messages: a count of paths, the paths, a kind and its text each. */
function describeConflict(entries: readonly string[]): { kind: 'conflict'; paths: string[]; text: string } {
  const end = entries.indexOf('');
  const paths = [...new Set(entries.slice(0, end))].slice(0, MAX_PATHS);
  const text = entries
    .slice(end + 1)
    .filter((entry) => /\s/.test(entry))
    .join('')
    .trim();
  return { kind: 'conflict', paths, text };
}
