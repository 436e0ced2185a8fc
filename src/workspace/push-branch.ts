/**
 * A branch of a hand-off, brought to a repository the operator named. It only ever makes or goes on a branch of its own,
 * `holdfast/<number>-<slug>`: never by force, never the base. Looks first, so that it can be called again after a crash.
 */
import { dirname } from 'node:path';
import { failpoint } from '../kernel/failpoints.ts';
import { openLocalGit, type LocalGit } from './local-git.ts';
import { safeGit, type GitProfile } from './safe-git.ts';
import { makeScratch, removeScratch } from './scratch.ts';
import { classifySource, isBranchName } from './source-address.ts';
import { findLocalRepository } from './source.ts';

export interface PushRequest {
  mirrorDir: string;
  /** Absolute path, https URL or ssh address. */
  target: string;
  /** Without `refs/heads/`. */
  branch: string;
  /** Base branch of the repository; never pushed to. */
  base: string;
  commit: string;
  /** Ref in the mirror that keeps the commit. */
  ref: string;
  op: string;
  signal?: AbortSignal | undefined;
}

export type PushOutcome =
  /** The branch is there, at the commit. */
  | { kind: 'pushed' }
  /** It is not, and trying again would not change that. */
  | { kind: 'refused'; why: string };

/** Time a remote may take, milliseconds. */
const PUSH_TIMEOUT_MS = 10 * 60_000;
const MAX_WHY_CHARS = 500;

/**
 * Pushes the branch, unless it is there already. Throws `source-refused`, `not-a-repository`, `git-failed`,
 * `git-timeout`, `storage-full`.
 */
export async function pushBranch(request: PushRequest): Promise<PushOutcome> {
  const { branch, base, target } = request;
  const isOurs = /^holdfast\/\d+-/.test(branch) && isBranchName(branch);
  if (!isOurs || branch === base) return refused(`${branch} is not a branch that may be pushed`);
  return classifySource(target) === 'url' ? pushOut(request) : pushLocal(request);
}

function refused(why: string): PushOutcome {
  return { kind: 'refused', why: why.slice(0, MAX_WHY_CHARS) };
}

async function pushOut({ mirrorDir, target, branch, commit, op, signal }: PushRequest): Promise<PushOutcome> {
  const profile: GitProfile = { kind: 'network', gitDir: mirrorDir };
  const branchRef = `refs/heads/${branch}`;
  const listed = await safeGit({ profile, args: ['ls-remote', '--', target, branchRef], op, signal });
  if (listed.text.split('\t')[0] === commit) return { kind: 'pushed' };
  failpoint('stage.before-push');
  // Without a plus: git and the remote refuse what would not go on from what is there.
  const args = ['push', '--porcelain', '--no-follow-tags', '--recurse-submodules=no', '--', target];
  const pushed = await safeGit({
    profile,
    args: [...args, `${commit}:${branchRef}`],
    okCodes: [0, 1],
    timeoutMs: PUSH_TIMEOUT_MS,
    op,
    signal,
  });
  failpoint('stage.after-push');
  if (pushed.code === 0) return { kind: 'pushed' };
  const said = pushed.text.split('\n').find((line) => line.startsWith('!')) ?? pushed.stderr.trim();
  return refused(said.replace(/^!\t[^\t]*\t/, ''));
}

/** Into a repository on this machine: what it would run when it receives a push is not run. */
async function pushLocal(request: PushRequest): Promise<PushOutcome> {
  const local = await findLocalRepository(request.target);
  const scratch = await makeScratch(dirname(request.mirrorDir));
  try {
    return await pushInto(await openLocalGit(local, { ...request, scratch }), request);
  } finally {
    await removeScratch(scratch);
  }
}

async function pushInto(git: LocalGit, { mirrorDir, branch, commit, ref }: PushRequest): Promise<PushOutcome> {
  const branchRef = `refs/heads/${branch}`;
  const found = await git(['rev-parse', '--verify', '--quiet', '--end-of-options', branchRef], { okCodes: [0, 1] });
  const at = found.code === 0 ? found.text : null;
  if (at === commit) return { kind: 'pushed' };
  const trees = (await git(['worktree', 'list', '--porcelain', '-z'])).stdout.toString('utf8').split('\0');
  if (trees.includes(`branch ${branchRef}`)) return refused(`${branch} is checked out there`);
  const fetch = ['fetch', '--quiet', '--no-write-fetch-head', '--no-tags', '--no-recurse-submodules'];
  await git([...fetch, '--no-auto-maintenance', '--', mirrorDir, ref]);
  const goesOn =
    at === null || (await git(['merge-base', '--is-ancestor', at, commit], { okCodes: [0, 1] })).code === 0;
  if (!goesOn) return refused(`${branch} is there with other commits, and is never overwritten`);
  failpoint('stage.before-push');
  const swap = ['update-ref', '--create-reflog', '-m', 'holdfast: hand-off', '--', branchRef, commit];
  const moved = await git([...swap, at ?? '0'.repeat(commit.length)], { okCodes: [0, 1, 128] });
  failpoint('stage.after-push');
  return moved.code === 0 ? { kind: 'pushed' } : refused(moved.stderr.trim());
}
