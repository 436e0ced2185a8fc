import { join } from 'node:path';
import { failpoint } from '../kernel/failpoints.ts';
import { copyNewFile } from './file-system.ts';
import { removeTree } from './remove-tree.ts';
import { safeGit, type GitProfile } from './safe-git.ts';

export interface RestoreTreeRequest {
  mirrorDir: string;
  /** Workspace that has no name yet, checked out at the commit the saved one was made from. */
  root: string;
  /** Commit of the saved tree, in the mirror. */
  commit: string;
  op: string;
  signal?: AbortSignal | undefined;
}

/**
 * Makes the files of a fresh workspace what they were when their tree was saved. Its branch and its index stay at the
 * base: what the agent had done lies there as uncommitted changes and untracked files, and `git status` shows it.
 * Throws `git-failed` when the mirror has no such commit.
 */
export async function restoreTree(request: RestoreTreeRequest): Promise<void> {
  const { mirrorDir, root, commit, op, signal } = request;
  const gitDir = join(root, '.git');
  const common = { op, signal, config: ['core.fsync=none', 'core.protectNTFS=false'], timeoutMs: 1_800_000 };
  failpoint('workspace.before-restore');
  const fetch = ['fetch', '--quiet', '--no-write-fetch-head', '--no-recurse-submodules', '--no-auto-maintenance'];
  fetch.push('--no-tags', '--update-shallow', '--', mirrorDir, commit);
  await safeGit({ ...common, profile: { kind: 'path', gitDir, configFile: null }, args: fetch });
  // An index of its own, so that the one of the workspace keeps saying what the base is.
  const indexFile = join(gitDir, 'index.restore');
  await copyNewFile({ from: join(gitDir, 'index'), to: indexFile, share: false });
  const profile: GitProfile = { kind: 'observe', gitDir, workTree: root, indexFile };
  await safeGit({ ...common, profile, args: ['read-tree', '--reset', '-u', commit] });
  await removeTree(indexFile, op);
  failpoint('workspace.after-restore');
}
