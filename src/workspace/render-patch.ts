import { safeGit } from './safe-git.ts';

/** A larger patch is not made: the branch has it all. */
const MAX_PATCH_BYTES = 16 * 2 ** 20;

/** Returns a patch `git apply` takes, binary files whole, or null where it would be too large. Throws `git-failed`. */
export async function renderPatch(request: {
  mirrorDir: string;
  from: string;
  to: string;
  op: string;
  signal?: AbortSignal | undefined;
}): Promise<Buffer | null> {
  const { mirrorDir, from, to, op, signal } = request;
  const profile = { kind: 'local' as const, gitDir: mirrorDir };
  const how = ['--no-color', '--no-ext-diff', '--no-textconv', '--binary', '--full-index', '--no-renames'];
  const args = ['diff', ...how, '--submodule=short', '--ignore-submodules=none', '--end-of-options', from, to, '--'];
  const diff = await safeGit({ profile, args, op, signal, maxBytes: MAX_PATCH_BYTES, allowTruncated: true });
  return diff.truncated ? null : diff.stdout;
}
