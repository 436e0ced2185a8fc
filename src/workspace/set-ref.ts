import { failpoint } from '../kernel/failpoints.ts';
import { flushRefName } from './flush-ref.ts';
import { safeGit } from './safe-git.ts';

/**
 * Sets a ref of ours in a mirror to a commit that is there, durably. Can be repeated.
 * Throws `git-failed`, `git-timeout`, `storage-full`.
 */
export async function setRef(request: {
  mirrorDir: string;
  ref: string;
  commit: string;
  /** For the reflog. */
  message: string;
  op?: string | undefined;
  signal?: AbortSignal | undefined;
}): Promise<void> {
  const { mirrorDir, ref, commit, message, op, signal } = request;
  const profile = { kind: 'local' as const, gitDir: mirrorDir };
  const config = ['core.logAllRefUpdates=always', 'user.name=Holdfast', 'user.email=holdfast@holdfast.invalid'];
  await safeGit({ profile, args: ['update-ref', '-m', message, '--', ref, commit], config, op, signal });
  failpoint('workspace.after-set-ref');
  await flushRefName(mirrorDir, ref);
}
