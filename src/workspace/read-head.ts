import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../kernel/result.ts';
import { isError } from '../kernel/errors.ts';
import { safeOpen } from './safe-open.ts';

/** What HEAD of an agent's repository names. */
export type Head = { commit: string; branch: string | null } | { why: string };

/** A name git would take for a branch, and no path that leads anywhere else. */
const BRANCH = /^refs\/heads\/(?!.*(?:\.\.|\/\/|@\{|\/\.|\.lock(?:\/|$)))[^\s~^:?*[\\\u0000-\u001f\u007f]{1,255}$/;
const COMMIT = /^[0-9a-f]{40}(?:[0-9a-f]{24})?$/;
const MAX_REF_BYTES = 4096;
/** A repository with more packed branches than this is none an agent needed. */
const MAX_PACKED_BYTES = 64 * 2 ** 20;

/**
 * Returns the commit HEAD names, read from the files themselves: git would read the agent's configuration first. Only
 * plain files reached without a symlink count. `why` says in one sentence why there is none.
 */
export async function readHead(workspaceDir: string): Promise<Head> {
  const git = join(workspaceDir, '.git');
  try {
    if ((await readdir(git)).includes('reftable')) return { why: 'its branches are kept in a form that is not read' };
    const head = (await readText(git, 'HEAD', MAX_REF_BYTES))?.trimEnd() ?? null;
    if (head === null) return { why: '.git/HEAD is missing' };
    if (COMMIT.test(head)) return { commit: head, branch: null };
    const ref = head.startsWith('ref: ') ? head.slice('ref: '.length).trim() : '';
    if (!BRANCH.test(ref)) return { why: '.git/HEAD names no branch' };
    const commit = (await readRefFile(git, ref)) ?? (await readPackedRefs(git)).get(ref) ?? null;
    const branch = ref.slice('refs/heads/'.length);
    return commit === null ? { why: `its branch ${branch} has no commit` } : { commit, branch };
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return { why: '.git is missing' };
    if (isError(error, 'workspace-unsafe')) return { why: error.detail };
    throw error;
  }
}

/** Returns the commit in the file of a ref below `.git`; null where there is none. Throws `workspace-unsafe` for a link. */
export async function readRefFile(git: string, ref: string): Promise<string | null> {
  const text = (await readText(git, ref, MAX_REF_BYTES))?.trim() ?? null;
  return text !== null && COMMIT.test(text) ? text : null;
}

/** Returns the refs in `.git/packed-refs` with their commits. Throws `workspace-unsafe` for a link. */
export async function readPackedRefs(git: string): Promise<Map<string, string>> {
  const text = await readText(git, 'packed-refs', MAX_PACKED_BYTES);
  const refs = new Map<string, string>();
  for (const line of text?.split('\n') ?? []) {
    const [commit = '', name] = line.split(' ');
    if (name !== undefined && COMMIT.test(commit)) refs.set(name, commit);
  }
  return refs;
}

/** Null when there is no such file, or it is larger than it may be. */
async function readText(root: string, name: string, maxBytes: number): Promise<string | null> {
  try {
    await using handle = await safeOpen(root, name);
    if ((await handle.stat()).size > maxBytes) return null;
    return await handle.readFile('utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw error;
  }
}
