import { dirname } from 'node:path';
import { failpoint } from '../kernel/failpoints.ts';
import { finishCheckout, whyCheckoutHeld } from './base-checkout.ts';
import { openLocalGit, type LocalGit } from './local-git.ts';
import { safeGit, type GitProfile } from './safe-git.ts';
import { makeScratch, removeScratch } from './scratch.ts';
import { findLocalRepository, type LocalRepository } from './source.ts';

/** A durable intent: this branch is to go from `from` to `to`. */
export interface AdvanceRequest {
  mirrorDir: string;
  source: string;
  sourceKind: 'path' | 'url';
  branch: string;
  from: string;
  /** Stands on `from`, and is in the mirror under `ref`. */
  to: string;
  ref: string;
  /** For the reflog. */
  message: string;
  op: string;
  signal?: AbortSignal | undefined;
}

export type AdvanceOutcome =
  /** The branch is at `to`, or further on. `note` says what a person has to do about its checkout, if anything. */
  | { kind: 'advanced'; note: string | null }
  /** It is neither: somebody else moved it. `at` is null when the branch is gone. */
  | { kind: 'moved'; at: string | null }
  /** It could be moved, but the checkout of it must not be touched now. */
  | { kind: 'held'; why: string }
  /** The remote says no. */
  | { kind: 'refused'; why: string };

/** Time a remote may take for a push, milliseconds. */
const PUSH_TIMEOUT_MS = 10 * 60_000;

/**
 * Moves a branch of a registered repository by compare-and-swap, never by force. Looks first, so that it can be called
 * again after a crash at any point: what has been done is found, what was half done is finished.
 * Throws `git-failed`, `git-timeout`, `storage-full`, `not-a-repository`: then nothing is known, and it is asked again.
 */
export async function advanceBase(request: AdvanceRequest): Promise<AdvanceOutcome> {
  return request.sourceKind === 'url' ? pushBase(request) : advanceLocal(request);
}

async function advanceLocal(request: AdvanceRequest): Promise<AdvanceOutcome> {
  const local = await findLocalRepository(request.source);
  const scratch = await makeScratch(dirname(request.mirrorDir));
  try {
    return await advanceIn(request, { local, scratch, git: await openLocalGit(local, { ...request, scratch }) });
  } finally {
    await removeScratch(scratch);
  }
}

interface Local {
  local: LocalRepository;
  scratch: string;
  git: LocalGit;
}

async function advanceIn(request: AdvanceRequest, { local, scratch, git }: Local): Promise<AdvanceOutcome> {
  const { branch, from, to } = request;
  const branchRef = `refs/heads/${branch}`;
  const checkout = { git, top: local.top, gitDir: local.gitDir, scratch, branchRef, from, to };
  const at = await readRef(git, branchRef);
  if (at === to) return finish(checkout);
  if (at !== from) return (await contains(git, at, to)) ? { kind: 'advanced', note: null } : { kind: 'moved', at };
  // The objects are durable in the source before its branch names them.
  const fetch = [
    'fetch',
    '--quiet',
    '--no-write-fetch-head',
    '--no-tags',
    '--no-recurse-submodules',
    '--no-auto-maintenance',
  ];
  await git([...fetch, '--', request.mirrorDir, request.ref]);
  const held = await whyCheckoutHeld(checkout);
  if (held !== null) return { kind: 'held', why: held };
  failpoint('merge.before-advance');
  const swap = ['update-ref', '--create-reflog', '-m', request.message, '--', branchRef, to, from];
  if ((await git(swap, { okCodes: [0, 1, 128] })).code !== 0) {
    const now = await readRef(git, branchRef);
    if (now !== from) return now === to ? finish(checkout) : { kind: 'moved', at: now };
    return { kind: 'held', why: `${branchRef} cannot be written: another git holds its lock` };
  }
  failpoint('merge.after-advance');
  return finish(checkout);
}

async function finish(checkout: Parameters<typeof finishCheckout>[0]): Promise<AdvanceOutcome> {
  return { kind: 'advanced', note: await finishCheckout(checkout) };
}

async function readRef(git: LocalGit, ref: string): Promise<string | null> {
  const found = await git(['rev-parse', '--verify', '--quiet', '--end-of-options', ref], { okCodes: [0, 1] });
  return found.code === 0 ? found.text : null;
}

async function contains(git: LocalGit, at: string | null, commit: string): Promise<boolean> {
  if (at === null) return false;
  // 128: the commit is not there at all, so nothing can contain it.
  return (await git(['merge-base', '--is-ancestor', commit, at], { okCodes: [0, 1, 128] })).code === 0;
}

/** The lease is exact: the remote compares and swaps, whatever anybody pushed meanwhile. */
async function pushBase(request: AdvanceRequest): Promise<AdvanceOutcome> {
  const { mirrorDir, source, branch, from, to, op, signal } = request;
  const profile: GitProfile = { kind: 'network', gitDir: mirrorDir };
  const listed = await safeGit({ profile, args: ['ls-remote', '--', source, `refs/heads/${branch}`], op, signal });
  const at = listed.text.split('\t')[0] ?? '';
  if (at === to) return { kind: 'advanced', note: null };
  if (at !== from) return { kind: 'moved', at: at === '' ? null : at };
  failpoint('merge.before-advance');
  const pushed = await safeGit({
    profile,
    args: [
      'push',
      '--porcelain',
      `--force-with-lease=refs/heads/${branch}:${from}`,
      '--',
      source,
      `${to}:refs/heads/${branch}`,
    ],
    okCodes: [0, 1],
    timeoutMs: PUSH_TIMEOUT_MS,
    op,
    signal,
  });
  failpoint('merge.after-advance');
  if (pushed.code === 0) return { kind: 'advanced', note: null };
  const rejected = pushed.text.split('\n').find((line) => line.startsWith('!')) ?? pushed.stderr.trim();
  if (rejected.includes('stale info') || rejected.includes('fetch first')) return { kind: 'moved', at: null };
  return { kind: 'refused', why: rejected.replace(/^!\t[^\t]*\t/, '').slice(0, 500) };
}
