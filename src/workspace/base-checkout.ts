/**
 * The checkout of a branch that is advanced in its own repository. The branch goes first, by compare-and-swap, the files
 * follow: a crash between leaves files of the old commit under a branch at the new one, which `finishCheckout` tells
 * from work of a person, because every file is either the old or the new one.
 */
import { join } from 'node:path';
import { exists } from './remove-tree.ts';
import type { GitRequest, GitResult } from './safe-git.ts';

export interface Checkout {
  git: (args: readonly string[], more?: Partial<GitRequest>) => Promise<GitResult>;
  /** Top of the work tree; the git directory itself of a bare repository. */
  top: string;
  gitDir: string;
  scratch: string;
  branchRef: string;
  from: string;
  to: string;
}

/** Files git keeps while a person is in the middle of something. */
const UNDER_WAY: readonly [string, string][] = [
  ['MERGE_HEAD', 'a merge'],
  ['rebase-merge', 'a rebase'],
  ['rebase-apply', 'a rebase'],
  ['CHERRY_PICK_HEAD', 'a cherry-pick'],
  ['REVERT_HEAD', 'a revert'],
  ['BISECT_LOG', 'a bisection'],
];

/** Returns why a checkout of the branch must not be changed now, or null: it has none, or it is clean. */
export async function whyCheckoutHeld(checkout: Checkout): Promise<string | null> {
  const { git, top, gitDir, branchRef } = checkout;
  const places = await listCheckouts(checkout);
  const other = places.find((path) => path !== top);
  if (other !== undefined) return `${branchRef} is checked out in ${other}, which is not the registered place`;
  if (places.length === 0) return null;
  for (const [name, what] of UNDER_WAY) if (await exists(join(gitDir, name))) return `${what} is under way in ${top}`;
  if (await exists(join(gitDir, 'index.lock'))) return `another git is at work in ${top} (index.lock)`;
  const changed = await git(['diff', '--name-only', '-z', 'HEAD', '--'], { maxBytes: 2 ** 16, allowTruncated: true });
  const [first] = changed.stdout.toString('utf8').split('\0');
  if (first !== undefined && first !== '') return `${top} has changes that are not committed: ${first}`;
  const blocking = await findBlocking(checkout);
  return blocking === null ? null : `${blocking} in ${top} is in no commit and would be overwritten`;
}

/** An untracked file where the new commit has one, or null. */
async function findBlocking({ git, top, from, to }: Checkout): Promise<string | null> {
  const args = ['diff-tree', '-r', '-z', '--name-only', '--no-renames', '--diff-filter=A', from, to, '--'];
  const added = (await git(args)).stdout.toString('utf8').split('\0');
  for (const path of added) if (path !== '' && (await exists(join(top, path)))) return path;
  return null;
}

/** Work trees that have the branch checked out. */
async function listCheckouts({ git, branchRef }: Checkout): Promise<string[]> {
  const { stdout } = await git(['worktree', 'list', '--porcelain', '-z']);
  const entries = stdout.toString('utf8').split('\0\0');
  return entries.flatMap((entry) => {
    const fields = entry.split('\0');
    const path = fields.find((field) => field.startsWith('worktree '))?.slice('worktree '.length);
    return path !== undefined && fields.includes(`branch ${branchRef}`) ? [path] : [];
  });
}

/**
 * Brings the files of the checkout to the new commit, if the branch is still there and every tracked file is the old or
 * the new one; else it is left to its person. Returns what that person has to know, or null. Can be repeated.
 */
export async function finishCheckout(checkout: Checkout): Promise<string | null> {
  const { git, top, scratch, from, to } = checkout;
  if (!(await listCheckouts(checkout)).includes(top)) return null;
  if ((await git(['diff', '--quiet', to, '--'], { okCodes: [0, 1] })).code === 0) {
    if ((await git(['diff', '--quiet', '--cached', to, '--'], { okCodes: [0, 1] })).code === 0) return null;
  }
  const notOld = await listDifferent(checkout, join(scratch, 'index-old'), from);
  const notNew = await listDifferent(checkout, join(scratch, 'index-new'), to);
  const ofAPerson = [...notOld].filter((path) => notNew.has(path));
  const staged = await git(['diff', '--quiet', '--cached', from, '--'], { okCodes: [0, 1] });
  if (ofAPerson.length > 0 || staged.code !== 0) {
    return `files in ${top} were changed meanwhile and are left as they are: ${ofAPerson[0] ?? 'what is staged'}`;
  }
  await git(['read-tree', '--reset', '-u', to]);
  return null;
}

/** Tracked paths whose file is not the one of `commit`. */
async function listDifferent({ git, top, gitDir }: Checkout, indexFile: string, commit: string): Promise<Set<string>> {
  const profile = { kind: 'observe', gitDir, workTree: top, indexFile } as const;
  await git(['read-tree', commit], { profile });
  await git(['update-index', '-q', '--refresh'], { profile, okCodes: [0, 1] });
  const { stdout } = await git(['diff-files', '--name-only', '-z', '--'], { profile });
  return new Set(
    stdout
      .toString('utf8')
      .split('\0')
      .filter((path) => path !== ''),
  );
}
