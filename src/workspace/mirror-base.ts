import { exists } from './remove-tree.ts';
import { safeGit, type GitProfile } from './safe-git.ts';
import { setRef } from './set-ref.ts';

/**
 * Returns the commit of the base branch as the mirror has it, without asking the source; null when there is no mirror or
 * the branch is not in it: then only a fetch can tell.
 */
export async function readMirrorBase(request: { mirrorDir: string; base: string }): Promise<string | null> {
  if (!(await exists(request.mirrorDir))) return null;
  const profile: GitProfile = { kind: 'local', gitDir: request.mirrorDir };
  const ref = `refs/heads/${request.base}^{commit}`;
  const found = await safeGit({
    profile,
    args: ['rev-parse', '--verify', '--quiet', '--end-of-options', ref],
    okCodes: [0, 1],
  });
  return found.code === 0 ? found.text : null;
}

/** Returns whether a commit is `tip` or in its history, as far as the mirror has both. */
export async function isInHistory(request: { mirrorDir: string; commit: string; tip: string }): Promise<boolean> {
  const { mirrorDir, commit, tip } = request;
  const profile: GitProfile = { kind: 'local', gitDir: mirrorDir };
  // 128: one of them is not there.
  const found = await safeGit({
    profile,
    args: ['merge-base', '--is-ancestor', commit, tip],
    okCodes: [0, 1, 128],
  });
  return found.code === 0;
}

/**
 * Lets the mirror know of a commit that is in the base branch of its source, and in the mirror: whoever begins without a fetch of
 * its own stands on it. What the mirror has fetched beyond it, or instead of it, stays. The caller holds the repository's
 * lock. Can be repeated. Throws `git-failed`, `git-timeout`, `storage-full`.
 */
export async function advanceMirrorBase(request: {
  mirrorDir: string;
  base: string;
  commit: string;
  op: string;
  signal?: AbortSignal | undefined;
}): Promise<void> {
  const { mirrorDir, base, commit, op, signal } = request;
  const at = await readMirrorBase({ mirrorDir, base });
  if (at === null || at === commit || !(await isInHistory({ mirrorDir, commit: at, tip: commit }))) return;
  await setRef({ mirrorDir, ref: `refs/heads/${base}`, commit, message: 'merged', op, signal });
}
