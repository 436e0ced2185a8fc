/** Work an agent committed beside the branch it works on: on another branch, or in a stash. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../kernel/result.ts';
import { readPackedRefs, readRefFile } from './read-head.ts';
import type { GitResult } from './safe-git.ts';

/** More branches than this are not looked at. */
const MAX_BRANCHES = 200;
const MAX_DEPTH = 8;

type Git = (args: readonly string[], more: { okCodes: readonly number[] }) => Promise<GitResult>;

export interface StrayRequest {
  workspaceDir: string;
  /** Commit of the branch it works on. */
  head: string;
  /** Runs git where the objects of the workspace are seen. */
  git: Git;
  /** Runs git in the mirror. */
  mirrorGit: Git;
}

/** Commits beside the branch it works on. */
export interface Stray {
  /** `refs/heads/<branch>` or `refs/stash`. */
  ref: string;
  /** For people: `branch <name>`, or `a stash`. */
  name: string;
  commit: string;
}

/**
 * Returns the branches with commits that neither the head nor any branch of the source has, and a stash, each commit once.
 * Names are read from the files themselves, never through the agent's configuration.
 */
export async function listStrays(request: StrayRequest): Promise<Stray[]> {
  const { workspaceDir, head, git, mirrorGit } = request;
  const seen = new Set([head]);
  const strays: Stray[] = [];
  for (const [ref, commit] of await listRefs(join(workspaceDir, '.git'))) {
    if (seen.has(commit)) continue;
    seen.add(commit);
    // 128: it names no commit, or one that is not there.
    if ((await git(['merge-base', '--is-ancestor', commit, head], { okCodes: [0, 1, 128] })).code !== 1) continue;
    const known = ['for-each-ref', '--count=1', `--contains=${commit}`, '--format=%(refname)', '--', 'refs/heads/'];
    if ((await mirrorGit(known, { okCodes: [0, 129] })).text !== '') continue;
    const branch = ref.slice('refs/heads/'.length).replaceAll(/[\u0000-\u001f\u007f]/g, '?');
    const name = ref === 'refs/stash' ? 'a stash' : `branch ${branch}`;
    strays.push({ ref, name, commit });
  }
  return strays;
}

/** Returns the branches and the stash with their commits. */
export async function listRefs(gitDir: string): Promise<Map<string, string>> {
  const refs = new Map<string, string>();
  for (const [name, commit] of await readPackedRefs(gitDir)) {
    if ((name.startsWith('refs/heads/') || name === 'refs/stash') && refs.size < MAX_BRANCHES) refs.set(name, commit);
  }
  const names = ['refs/stash', ...(await listFiles(gitDir, 'refs/heads', 0))];
  for (const name of names.slice(0, MAX_BRANCHES)) {
    const commit = await readRefFile(gitDir, name);
    if (commit !== null) refs.set(name, commit);
  }
  return refs;
}

async function listFiles(gitDir: string, folder: string, depth: number): Promise<string[]> {
  if (depth > MAX_DEPTH) return [];
  try {
    const found: string[] = [];
    for (const entry of await readdir(join(gitDir, folder), { withFileTypes: true })) {
      const name = `${folder}/${entry.name}`;
      if (entry.isFile()) found.push(name);
      else if (entry.isDirectory()) found.push(...(await listFiles(gitDir, name, depth + 1)));
      if (found.length > MAX_BRANCHES) break;
    }
    return found;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}
