import { dirname, join } from 'node:path';
import { failpoint } from '../kernel/failpoints.ts';
import { safeGit, type GitProfile, type GitRequest } from './safe-git.ts';
import { makeScratch, removeScratch } from './scratch.ts';
import { makeScratchRepository } from './scratch-repository.ts';

export interface ResetRequest {
  mirrorDir: string;
  workspaceDir: string;
  /** Commit in the mirror whose tree it is to have. */
  commit: string;
  op: string;
  signal?: AbortSignal | undefined;
}

/**
 * Gives a workspace the tree of a commit again: what a gate changed or left there goes, ignored files (what a build made)
 * stay. Only for one in which nothing of an agent can be lost: everything it did was found committed. The agent's `.git`
 * is not read, and stays as it is. Files that are what they should be are not touched. Can be repeated.
 * Throws `git-failed`, `git-timeout`, `storage-full`.
 */
export async function resetWorkspace(request: ResetRequest): Promise<void> {
  const { mirrorDir, workspaceDir, commit, op, signal } = request;
  const scratch = await makeScratch(dirname(mirrorDir));
  try {
    const stores = [join(mirrorDir, 'objects')];
    const gitDir = await makeScratchRepository({ gitDir: join(scratch, 'repo.git'), stores, like: commit, op, signal });
    const profile: GitProfile = { kind: 'observe', gitDir, workTree: workspaceDir, indexFile: join(scratch, 'index') };
    const common = { profile, op, signal, config: ['core.fsync=none', 'core.protectNTFS=false'], timeoutMs: 600_000 };
    const git = (args: readonly string[], more?: Partial<GitRequest>) =>
      safeGit({ ...common, args, maxBytes: 2 ** 28, ...more });
    await git(['read-tree', commit]);
    // Mostly there is nothing to undo, and one look tells: files that differ, are gone, or are in the way.
    const look = ['ls-files', '-z', '--modified', '--deleted', '--others', '--directory', '--exclude-standard'];
    if ((await git([...look, '--'])).stdout.length === 0) return;
    // Says which files differ by its exit code, and fills in what the others look like.
    await git(['update-index', '-q', '--refresh'], { okCodes: [0, 1] });
    const changed = (await git(['diff-files', '-z', '--name-only', '--ignore-submodules=all', '--'])).stdout;
    failpoint('workspace.before-reset');
    if (changed.length > 0) await git(['checkout-index', '--force', '-z', '--stdin'], { input: changed });
    await git(['clean', '-ffdq', '--']);
    failpoint('workspace.after-reset');
  } finally {
    await removeScratch(scratch);
  }
}
