/**
 * The branch of a job as a repository of its own in an operator's directory. It is made beside it and renamed into its
 * place, so that a directory is whole or not there; nothing of any other repository is touched. No configuration but
 * that of the new repository counts while it is made: no hook, no filter and no submodule of anybody is run.
 */
import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { makeDirectory, renameDurable, tempBeside, writeDurable } from '../kernel/durable.ts';
import { fail } from '../kernel/errors.ts';
import { errnoOf } from '../kernel/result.ts';
import { listNames, removeOnFailure } from './remove-tree.ts';
import { objectFormatOf, safeGit, type GitProfile, type GitResult } from './safe-git.ts';
import { classifySource, isBranchName } from './source-address.ts';

export interface CheckOutRequest {
  /** Bundle of exactly one branch. */
  bundle: string;
  /** Absolute; null for one named after the branch in `parent`. */
  directory: string | null;
  parent: string;
  /** Commits its history ends at; empty for a complete one. */
  shallow: readonly string[];
  /** What `origin` shall be; left out where it is no address git may be given. */
  origin: string | null;
  signal?: AbortSignal | undefined;
}

export interface CheckedOut {
  directory: string;
  /** Without `refs/heads/`. */
  branch: string;
  commit: string;
}

/** Makes the directory. Throws `directory-in-use` for one that is not empty, `git-failed`, `storage-full`. */
export async function checkOutBundle(request: CheckOutRequest): Promise<CheckedOut> {
  const { bundle, parent, signal } = request;
  const heads = await safeGit({
    profile: { kind: 'local', gitDir: null },
    args: ['bundle', 'list-heads', bundle],
    signal,
  });
  const { commit, branch } = readHead(heads.text);
  const directory = request.directory ?? join(parent, branch.replaceAll('/', '-'));
  await requireEmpty(directory);
  await makeDirectory(dirname(directory));
  const staging = tempBeside(directory);
  await removeOnFailure(staging, async () => {
    await build(request, { staging, branch, commit });
    await renameDurable(staging, directory).catch((error: unknown) => {
      throw ['ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes(errnoOf(error) ?? '') ? inUse(directory) : error;
    });
  });
  return { directory, branch, commit };
}

function readHead(text: string): { commit: string; branch: string } {
  const [line = '', ...more] = text.split('\n');
  const [, commit = '', branch = ''] = /^([0-9a-f]{40}|[0-9a-f]{64}) refs\/heads\/(holdfast\/.+)$/.exec(line) ?? [];
  if (commit === '' || more.length > 0 || !isBranchName(branch))
    throw fail('git-failed', 'the bundle is not one of a job');
  return { commit, branch };
}

function inUse(directory: string): Error {
  return fail('directory-in-use', `${directory} exists and is not an empty directory`);
}

async function requireEmpty(directory: string): Promise<void> {
  try {
    if (!(await stat(directory)).isDirectory() || (await listNames(directory)).length > 0) throw inUse(directory);
  } catch (error) {
    if (errnoOf(error) === 'ENOTDIR') throw inUse(directory);
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}

async function build(
  { bundle, shallow, origin, signal }: CheckOutRequest,
  { staging, branch, commit }: { staging: string; branch: string; commit: string },
): Promise<void> {
  const format = objectFormatOf(commit);
  const init = ['init', '-q', '--template=', '--initial-branch=main', `--object-format=${format}`, '--', staging];
  await safeGit({ profile: { kind: 'local', gitDir: null }, args: init, signal });
  const gitDir = join(staging, '.git');
  if (shallow.length > 0) await writeDurable(join(gitDir, 'shallow'), shallow.map((oid) => `${oid}\n`).join(''));
  const profile: GitProfile = { kind: 'path', gitDir, workTree: staging, configFile: null };
  const git = (...args: string[]): Promise<GitResult> =>
    safeGit({ profile, args, config: ['core.fsync=none'], signal });
  const ref = `refs/heads/${branch}`;
  const fetch = ['fetch', '--quiet', '--no-write-fetch-head', '--no-tags', '--no-recurse-submodules'];
  await git(...fetch, '--no-auto-maintenance', '--', bundle, `${ref}:${ref}`);
  if ((await git('rev-parse', ref)).text !== commit) throw fail('git-failed', 'the bundle does not hold what it names');
  await git('symbolic-ref', 'HEAD', ref);
  await git('read-tree', '--reset', '-u', 'HEAD');
  if (origin === null || !isAddress(origin)) return;
  await git('config', 'remote.origin.url', origin);
  await git('config', 'remote.origin.fetch', '+refs/heads/*:refs/remotes/origin/*');
}

/** The address came from a server: only what a source may be is written where the operator's git will read it. */
function isAddress(origin: string): boolean {
  try {
    classifySource(origin);
    return true;
  } catch {
    return false;
  }
}
