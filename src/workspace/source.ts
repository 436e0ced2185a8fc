import { lstat, readFile, realpath } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { Stats } from 'node:fs';
import { fail } from '../kernel/errors.ts';
import { errnoOf } from '../kernel/result.ts';
import { safeGit, type GitProfile } from './safe-git.ts';
import { classifySource, isBranchName, suggestName } from './source-address.ts';

/** A source that can be registered. */
export interface SourceInfo {
  kind: 'path' | 'url';
  /** The address as given, or the real path of the top of the work tree (or of the bare repository). */
  source: string;
  /** Its default branch, without `refs/heads/`. */
  base: string;
  /** Suggested name. */
  name: string;
}

export interface InspectOptions {
  /** The branch the operator named; it must exist. Without it the source's HEAD decides. */
  base?: string | null | undefined;
  signal?: AbortSignal | undefined;
}

/** Where the parts of a repository on this machine lie. */
export interface LocalRepository {
  /** Top of the work tree, or the bare repository itself. */
  top: string;
  /** Its git directory (of a linked work tree: its own one). */
  gitDir: string;
  /** Another user's, whom we trust only because the operator registered exactly this path. */
  foreign: boolean;
}

const LIST_TIMEOUT_MS = 60_000;
const BRANCHES_NAMED = 10;

/**
 * Returns what a source is, without changing anything. Throws `source-refused`, `not-a-repository`,
 * `empty-repository`, `branch-not-found`, or `git-failed`/`git-timeout` when the network does not answer.
 */
export async function inspectSource(source: string, options: InspectOptions = {}): Promise<SourceInfo> {
  const kind = classifySource(source);
  const local = kind === 'path' ? await findLocalRepository(source) : null;
  const heads = local === null ? await listRemoteHeads(source, options) : await listLocalHeads(local, options);
  const normalised = local?.top ?? source;
  return { kind, source: normalised, base: chooseBase(normalised, heads, options.base), name: suggestName(normalised) };
}

interface Heads {
  /** Branch that HEAD points to, or null when it is detached. */
  head: string | null;
  branches: string[];
}

/** Throws `branch-not-found` and names the branches there are. */
export function failBranch(source: string, base: string, branches: readonly string[]): Error {
  const named = branches.slice(0, BRANCHES_NAMED).join(', ');
  const more = branches.length > BRANCHES_NAMED ? `, and ${branches.length - BRANCHES_NAMED} more` : '';
  return fail('branch-not-found', `"${base}" in ${source}; it has ${named === '' ? 'no branch' : named}${more}`);
}

function chooseBase(source: string, heads: Heads, wanted: string | null | undefined): string {
  if (wanted !== undefined && wanted !== null) {
    if (!isBranchName(wanted)) throw fail('bad-name', `"${wanted}" cannot be a branch`);
    if (!heads.branches.includes(wanted)) throw failBranch(source, wanted, heads.branches);
    return wanted;
  }
  if (heads.branches.length === 0) throw fail('empty-repository', source);
  // A detached HEAD, or one on a branch that was never born, says nothing about the branch to start from.
  const candidates = [heads.head, 'main', 'master', heads.branches.length === 1 ? heads.branches[0] : null];
  const found = candidates.find((name) => typeof name === 'string' && heads.branches.includes(name));
  if (typeof found === 'string') return found;
  throw fail('branch-not-found', `HEAD of ${source} is on no branch`, { hint: 'Name the branch with --base.' });
}

async function listRemoteHeads(url: string, options: InspectOptions): Promise<Heads> {
  const { text } = await safeGit({
    profile: { kind: 'network', gitDir: null },
    args: ['ls-remote', '--symref', '--', url, 'HEAD', 'refs/heads/*'],
    signal: options.signal,
    timeoutMs: LIST_TIMEOUT_MS,
  });
  const lines = text.split('\n').map((line) => line.split('\t'));
  const symref = lines.find(([left, name]) => name === 'HEAD' && left?.startsWith('ref: refs/heads/') === true);
  const branches = lines.flatMap(([, name]) => (name?.startsWith('refs/heads/') === true ? [name.slice(11)] : []));
  return { head: symref?.[0]?.slice('ref: refs/heads/'.length) ?? null, branches };
}

async function listLocalHeads(local: LocalRepository, options: InspectOptions): Promise<Heads> {
  const profile: GitProfile = { kind: 'local', gitDir: local.gitDir };
  const run = { profile, signal: options.signal, timeoutMs: LIST_TIMEOUT_MS };
  const symbolic = await safeGit({ ...run, args: ['symbolic-ref', '-q', 'HEAD'], okCodes: [0, 1] });
  const refs = await safeGit({ ...run, args: ['for-each-ref', '--format=%(refname)', 'refs/heads/'] });
  const short = (ref: string): string => ref.replace(/^refs\/heads\//, '');
  return {
    head: symbolic.code === 0 ? short(symbolic.text) : null,
    branches: refs.text === '' ? [] : refs.text.split('\n').map(short),
  };
}

/**
 * Returns the repository that contains `path`. Only a `.git` entry is looked for above it; a bare repository counts
 * only when it is named itself, so that one planted below a work tree is never taken by accident.
 * Throws `not-a-repository`, or `source-refused` when it belongs to another user.
 */
export async function findLocalRepository(path: string): Promise<LocalRepository> {
  const start = await realpath(path).catch((error: unknown) => {
    throw fail('not-a-repository', `${path} (${errnoOf(error) ?? 'unreadable'})`, { cause: error });
  });
  const bare = await isGitDirectory(start);
  if (bare && basename(start) !== '.git') return withOwner(start, start);
  for (let top = bare ? dirname(start) : start; ; top = dirname(top)) {
    const gitDir = await gitDirectoryOf(join(top, '.git'));
    if (gitDir !== null) return withOwner(top, gitDir);
    if (top === dirname(top)) break;
  }
  throw fail('not-a-repository', path);
}

async function lstatIfExists(path: string): Promise<Stats | null> {
  try {
    return await lstat(path);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return null;
    throw fail('not-a-repository', `${path} cannot be read (${errno ?? 'unknown'})`, { cause: error });
  }
}

async function isGitDirectory(path: string): Promise<boolean> {
  const [head, refs] = await Promise.all([lstatIfExists(join(path, 'HEAD')), lstatIfExists(join(path, 'refs'))]);
  const objects = await lstatIfExists(join(path, 'objects'));
  const linked = await lstatIfExists(join(path, 'commondir'));
  return head !== null && (linked !== null || (refs !== null && objects !== null));
}

/** Follows a `.git` directory, or the `gitdir:` file of a linked work tree or submodule. */
async function gitDirectoryOf(path: string): Promise<string | null> {
  const stat = await lstatIfExists(path);
  if (stat === null) return null;
  let target = path;
  if (stat.isFile() && stat.size < 8192) {
    const match = /^gitdir: (.+?)\r?\n?$/.exec(await readFile(path, 'utf8'));
    if (match?.[1] === undefined) return null;
    target = resolve(dirname(path), match[1]);
  }
  const real = await realpath(target).catch(() => null);
  return real !== null && (await isGitDirectory(real)) ? real : null;
}

async function withOwner(top: string, gitDir: string): Promise<LocalRepository> {
  const ours = process.geteuid?.() ?? 0;
  let foreign = false;
  for (const path of new Set([top, gitDir])) {
    const { uid } = await lstat(path);
    if (uid === ours) continue;
    foreign = true;
    // root may read everything anyway, and what belongs to root cannot be held against anyone.
    if (ours !== 0 && uid !== 0) throw fail('source-refused', `${path} belongs to another user (uid ${uid})`);
  }
  return { top, gitDir, foreign };
}
