import type { GitRequest, GitResult } from './safe-git.ts';

/** Runs git over one work tree with an index of its own. */
export type Git = (args: string[], more?: Partial<GitRequest>) => Promise<GitResult>;

/** Paths as git prints them, one character per byte: a name need not be UTF-8. `bytesOf` and `show` turn them back. */
export async function listPaths(git: Git, args: string[]): Promise<string[]> {
  return splitPaths((await git(args)).stdout);
}

/** Splits NUL-separated output into paths of one character per byte. */
export function splitPaths(output: Buffer): string[] {
  return output
    .toString('latin1')
    .split('\0')
    .filter((path) => path !== '');
}

/** Returns such paths as NUL-separated input for git. */
export function bytesOf(paths: readonly string[]): Buffer {
  return Buffer.from(paths.map((path) => `${path}\0`).join(''), 'latin1');
}

/** Returns such a path as text; bytes that are not UTF-8 become U+FFFD. */
export function show(path: string): string {
  return Buffer.from(path, 'latin1').toString('utf8');
}

/** A commit of another repository in the index (mode 160000). */
export interface Link {
  oid: string;
  path: string;
}

/** Returns the gitlinks of the index. */
export async function listLinks(git: Git): Promise<Link[]> {
  const entries = await listPaths(git, ['ls-files', '-z', '--stage', '--']);
  return entries.flatMap((entry) => {
    const match = /^160000 ([0-9a-f]+) \d\t([^]+)$/.exec(entry);
    return match?.[1] === undefined || match[2] === undefined ? [] : [{ oid: match[1], path: match[2] }];
  });
}

/** Takes gitlinks out of the index; the files of the tree are not looked at. */
export async function dropFromIndex(git: Git, links: readonly Link[]): Promise<void> {
  if (links.length === 0) return;
  const input = bytesOf(links.map((link) => link.path));
  await git(['update-index', '-z', '--force-remove', '--stdin'], { input });
}
