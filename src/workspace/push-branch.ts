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
import { findSilent, sourceFailure } from './source-failure.ts';
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
  | { kind: 'refused'; why: string }
  /** Nothing is known: the network failed, nobody answered in time, or another git holds a lock there. */
  | { kind: 'unreached'; why: string };

/** Time a remote may take for a look, and for a push, milliseconds. */
const LOOK_TIMEOUT_MS = 60_000;
const PUSH_TIMEOUT_MS = 10 * 60_000;
const MAX_WHY_CHARS = 500;

/** What git says of a lock file that is there: its owner is at work, or was killed. */
const LOCKED = /unable to create '[^']*\.lock'/i;
/** The remote took what it was sent and did not say what became of it. */
const UNTOLD = /^!\t[^\t]*\t\[remote failure\]|\(remote failed to report status\)/;

/**
 * Pushes the branch, unless it is there already. Throws `source-refused`, `not-a-repository`, `git-failed`,
 * `storage-full`.
 */
export async function pushBranch(request: PushRequest): Promise<PushOutcome> {
  const { branch, base, target } = request;
  const isOurs = /^holdfast\/\d+-/.test(branch) && isBranchName(branch);
  if (!isOurs || branch === base) return refused(`${branch} is not a branch that may be pushed`);
  if (classifySource(target) === 'path') return pushLocal(request);
  return pushOut(request).catch((error: unknown) => {
    request.signal?.throwIfAborted();
    const failure = sourceFailure(error, target);
    if (failure?.code !== 'source-silent') throw error;
    return unreached(failure.detail);
  });
}

function unreached(why: string): PushOutcome {
  return { kind: 'unreached', why: why.slice(0, MAX_WHY_CHARS) };
}

function refused(why: string): PushOutcome {
  return { kind: 'refused', why: why.slice(0, MAX_WHY_CHARS) };
}

async function pushOut({ mirrorDir, target, branch, commit, op, signal }: PushRequest): Promise<PushOutcome> {
  const profile: GitProfile = { kind: 'network', gitDir: mirrorDir };
  const branchRef = `refs/heads/${branch}`;
  const look = ['ls-remote', '--', target, branchRef];
  const listed = await safeGit({ profile, args: look, timeoutMs: LOOK_TIMEOUT_MS, op, signal });
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
  return pushed.code === 0 ? { kind: 'pushed' } : judgeFailure(pushed);
}

/** A line about the branch is the word of the remote; only where there is none, the connection failed. */
function judgeFailure({ text, stderr }: { text: string; stderr: string }): PushOutcome {
  const line = text.split('\n').find((one) => one.startsWith('!'));
  if (line === undefined) {
    const silent = findSilent(stderr);
    return silent === null ? refused(stderr.trim()) : unreached(silent);
  }
  const said = line.replace(/^!\t[^\t]*\t/, '');
  return UNTOLD.test(line) || LOCKED.test(stderr) ? unreached(said) : refused(said);
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
  if (moved.code === 0) return { kind: 'pushed' };
  const said = moved.stderr.trim();
  return LOCKED.test(said) ? unreached(said) : refused(said);
}
