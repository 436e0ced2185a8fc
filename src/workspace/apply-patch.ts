/**
 * The patch of a job in an operator's work tree. The result is worked out beside it, in a repository of ours that has no
 * configuration of anybody; only when all of it fits are the files brought along, staged, and nothing is committed. So a
 * conflict leaves nothing changed, and no hook, filter or merge driver is run.
 */
import { join } from 'node:path';
import { makeDirectory, writeDurable } from '../kernel/durable.ts';
import { fail } from '../kernel/errors.ts';
import { errnoOf } from '../kernel/result.ts';
import { exists } from './remove-tree.ts';
import { safeDirectoryConfig, safeGit, type GitProfile, type GitRequest, type GitResult } from './safe-git.ts';
import { makeScratchRepository } from './scratch-repository.ts';
import { findLocalRepository, type LocalRepository } from './source.ts';

export interface ApplyRequest {
  /** Somewhere in the work tree. */
  directory: string;
  patch: Uint8Array;
  /** Empty directory for the time of the call; the caller removes it. */
  scratch: string;
  signal?: AbortSignal | undefined;
}

export interface Applied {
  /** Top of the work tree. */
  top: string;
  /** Branch that is checked out, without `refs/heads/`; null for a detached HEAD. */
  branch: string | null;
  /** What is staged now; empty when everything of it was there already. */
  files: { status: string; path: string }[];
}

/** Files that are named in a refusal. */
const NAMED = 10;
const REF = 'refs/heads/applied';
const IDENTITY = ['user.name=Holdfast', 'user.email=holdfast@holdfast.invalid'];

type Git = (args: readonly string[], more?: Partial<GitRequest>) => Promise<GitResult>;

/**
 * Applies a patch to work tree and index, all of it or nothing. Throws `not-a-repository`, `empty-repository`,
 * `work-tree-dirty`, `patch-conflict`, `git-failed`, `storage-full`.
 */
export async function applyPatch(request: ApplyRequest): Promise<Applied> {
  const local = await findLocalRepository(request.directory);
  if (local.top === local.gitDir) throw fail('not-a-repository', `${local.top} is bare: it has no work tree`);
  const git = await openLocal(local, request);
  const head = await git(['rev-parse', '--verify', '--quiet', 'HEAD^{commit}'], { okCodes: [0, 1] });
  if (head.code !== 0) throw fail('empty-repository', local.top);
  await requireClean(git, local.top);
  const from = head.text;
  const { gitDir, to } = await applyBeside(git, { request, from });
  const symbolic = await git(['symbolic-ref', '-q', '--short', 'HEAD'], { okCodes: [0, 1] });
  const branch = symbolic.code === 0 ? symbolic.text : null;
  if (to === null) return { top: local.top, branch, files: [] };
  const fetch = ['fetch', '--quiet', '--no-write-fetch-head', '--no-tags', '--no-recurse-submodules'];
  await git([...fetch, '--no-auto-maintenance', '--', gitDir, REF]);
  const files = await listChanges(git, from, to);
  await requireRoom(local.top, files);
  await git(['read-tree', '-m', '-u', from, to]);
  return { top: local.top, branch, files };
}

async function openLocal(local: LocalRepository, { scratch, signal }: ApplyRequest): Promise<Git> {
  const configFile = local.foreign ? join(scratch, 'config') : null;
  if (configFile !== null) {
    await writeDurable(configFile, safeDirectoryConfig([local.top, join(local.top, '.git'), local.gitDir]));
  }
  const profile: GitProfile = { kind: 'path', gitDir: local.gitDir, workTree: local.top, configFile };
  const found = await safeGit({
    profile,
    args: ['config', '--name-only', '-z', '--get-regexp', '^filter\\.'],
    okCodes: [0, 1],
    signal,
  });
  const config = silenceFilters(found.stdout.toString('utf8').split('\0'));
  return (args, more) => safeGit({ profile, args, config, signal, ...more });
}

/** Attributes in the patch may name a filter the repository has: none is run over what an agent wrote. */
function silenceFilters(keys: readonly string[]): string[] {
  const names = new Set(
    keys.map((key) => /^filter\.(.+)\.[a-z]+$/is.exec(key)?.[1]).filter((name) => name !== undefined),
  );
  return [...names].flatMap((name) => {
    if (/[=\n]/.test(name)) throw fail('git-failed', `the filter ${JSON.stringify(name)} cannot be switched off`);
    return ['clean=', 'smudge=', 'process=', 'required=false'].map((setting) => `filter.${name}.${setting}`);
  });
}

/** Untracked files are the operator's own and stay; where one is in the way, that is found later. */
async function requireClean(git: Git, top: string): Promise<void> {
  const args = ['status', '--porcelain=v1', '-z', '--untracked-files=no', '--no-renames'];
  const { stdout } = await git(args);
  const changed = stdout
    .toString('utf8')
    .split('\0')
    .flatMap((entry) => (entry === '' ? [] : [entry.slice(3)]));
  if (changed.length > 0)
    throw fail('work-tree-dirty', `${top} has changes that are not committed: ${tellSome(changed)}`);
}

/** A new file never takes the place of one that is in no commit. */
async function requireRoom(top: string, files: Applied['files']): Promise<void> {
  const blocking: string[] = [];
  for (const { status, path } of files) if (status === 'A' && (await isInTheWay(join(top, path)))) blocking.push(path);
  if (blocking.length === 0) return;
  throw fail('work-tree-dirty', `files in ${top} are in no commit and would be overwritten: ${tellSome(blocking)}`, {
    hint: 'Move them away, then apply again; nothing was changed.',
  });
}

/** Something is there, or a file where one of its directories must be. */
async function isInTheWay(path: string): Promise<boolean> {
  try {
    return await exists(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOTDIR') return true;
    throw error;
  }
}

function tellSome(paths: readonly string[]): string {
  const more = paths.length > NAMED ? `, and ${paths.length - NAMED} more` : '';
  return `${paths.slice(0, NAMED).join(', ')}${more}`;
}

/** Returns a commit with the patch on `from`, kept as `REF` in a repository in scratch; `to` is null when it changes nothing. */
async function applyBeside(
  git: Git,
  { request, from }: { request: ApplyRequest; from: string },
): Promise<{ gitDir: string; to: string | null }> {
  const { scratch, patch, signal } = request;
  const objects = (await git(['rev-parse', '--path-format=absolute', '--git-path', 'objects'])).text;
  const gitDir = await makeScratchRepository({
    gitDir: join(scratch, 'repo.git'),
    stores: [objects],
    like: from,
    signal,
  });
  const workTree = join(scratch, 'tree');
  await makeDirectory(workTree);
  const profile: GitProfile = { kind: 'observe', gitDir, workTree, indexFile: join(scratch, 'index') };
  const own: Git = (args, more) =>
    safeGit({ profile, args, config: ['core.fsync=none', ...IDENTITY], signal, ...more });
  await own(['read-tree', from]);
  const apply = ['apply', '--cached', '--3way', '--whitespace=nowarn', '-'];
  const applied = await own(apply, { input: patch, okCodes: [0, 1, 128] });
  const unmerged = await own(['ls-files', '--unmerged', '-z', '--']);
  const paths = unmerged.stdout
    .toString('utf8')
    .split('\0')
    .flatMap((line) => line.split('\t').slice(1));
  if (applied.code !== 0 || paths.length > 0) {
    // A file that it removes is gone when it was applied before.
    await own(['read-tree', '--reset', from]);
    const back = ['apply', '--cached', '--check', '--reverse', '--whitespace=nowarn', '-'];
    const isThere = (await own(back, { input: patch, okCodes: [0, 1, 128] })).code === 0;
    if (isThere) return { gitDir, to: null };
    throw conflict([...new Set(paths)], applied.stderr);
  }
  const tree = (await own(['write-tree'])).text;
  if (tree === (await own(['rev-parse', `${from}^{tree}`])).text) return { gitDir, to: null };
  const to = (await own(['commit-tree', '-p', from, '-m', 'applied', tree])).text;
  await own(['update-ref', '--', REF, to]);
  return { gitDir, to };
}

function conflict(paths: readonly string[], stderr: string): Error {
  const said = stderr.split('\n').filter((line) => /^(error|fatal): /.test(line));
  const why = said
    .map((line) => line.replace(/^\w+: /, ''))
    .slice(0, 3)
    .join('; ');
  return fail('patch-conflict', paths.length > 0 ? `it conflicts with what is there in ${tellSome(paths)}` : why);
}

async function listChanges(git: Git, from: string, to: string): Promise<Applied['files']> {
  const args = ['diff-tree', '-r', '-z', '--name-status', '--no-renames', from, to, '--'];
  const words = (await git(args)).stdout.toString('utf8').split('\0');
  const files: Applied['files'] = [];
  for (let at = 0; at + 1 < words.length; at += 2) files.push({ status: words[at] ?? '', path: words[at + 1] ?? '' });
  return files;
}
