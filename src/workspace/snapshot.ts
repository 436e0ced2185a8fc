import { lstat, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../kernel/result.ts';
import { fail } from '../kernel/errors.ts';
import { bytesOf, dropFromIndex, listLinks, listPaths, show, splitPaths, type Git, type Link } from './index-paths.ts';
import { runChild } from './run-child.ts';
import { gitFailure, plainEnvironment, safeGit, type GitProfile } from './safe-git.ts';
import { makeScratchRepository } from './scratch-repository.ts';

/** The content of a tree as git objects in a scratch repository. */
export interface Snapshot {
  /** Object id of the tree. */
  tree: string;
  /** Bare repository that has the new objects, and through alternates the mirror's. */
  gitDir: string;
  /** What is not in the tree as it lies on disk, or is there in another form: one sentence each. */
  notes: string[];
}

export interface SnapshotRequest {
  mirrorDir: string;
  workspaceDir: string;
  baseCommit: string;
  /** Directory of objects beside the mirror's that `baseCommit` may need; only read. */
  moreObjects?: string | undefined;
  /** Directory for repository and index. */
  scratch: string;
  /** Larger files are left as they are in the base and noted. */
  maxFileBytes: number;
  op?: string | undefined;
  signal?: AbortSignal | undefined;
}

/** A running agent may make a repository between our looking and git's adding; then we look again. */
const MAX_TRIES = 4;
/** Repositories inside repositories inside …: deeper ones are noted, not entered. */
const MAX_DEPTH = 8;
const MAX_NOTES = 50;
/** Paths named on one command line. */
const ARGUMENTS = 200;
/**
 * Nothing in scratch survives this process; what is kept is flushed where it is imported. Names that only Windows
 * refuses (`a\\b`, `git~1`) are work like any other.
 */
const SCRATCH_CONFIG = ['core.fsync=none', 'core.protectNTFS=false'];

interface Place extends SnapshotRequest {
  gitDir: string;
  notes: string[];
  indexes: { made: number };
}

/**
 * Reads the tree of a workspace (committed, uncommitted and untracked; ignored files are not) into a repository of
 * ours. The agent's `.git` is not read at all, nothing its configuration or attributes name is run, and its index, HEAD
 * and stash stay as they are. Repositories inside it become ordinary directories of the tree, because git would
 * keep only a commit id of them and lose their files.
 */
export async function takeSnapshot(request: SnapshotRequest): Promise<Snapshot> {
  const { mirrorDir, moreObjects, op, signal } = request;
  const stores = [join(mirrorDir, 'objects'), ...(moreObjects === undefined ? [] : [moreObjects])];
  const gitDir = join(request.scratch, 'repo.git');
  await makeScratchRepository({ gitDir, stores, like: request.baseCommit, op, signal });
  const place: Place = { ...request, gitDir, notes: [], indexes: { made: 0 } };
  const tree = await readDirectory(place, { path: '', baseTree: `${request.baseCommit}^{tree}`, depth: 0 });
  return { tree, gitDir, notes: place.notes };
}

interface Directory {
  /** Relative to the workspace, empty or with a final slash. */
  path: string;
  /** Tree to start from, so that ignored but tracked files count; null for a nested repository. */
  baseTree: string | null;
  depth: number;
}

async function readDirectory(place: Place, directory: Directory): Promise<string> {
  for (let tries = 1; tries < MAX_TRIES; tries++) {
    const tree = await readOnce(place, directory, false);
    if (tree !== null) return tree;
  }
  const tree = await readOnce(place, directory, true);
  if (tree === null) throw fail('git-failed', `${directory.path} changes faster than it can be read`);
  return tree;
}

/** One directory being read: the workspace, or a repository inside it. */
interface Reading {
  place: Place;
  directory: Directory;
  workTree: string;
  git: Git;
}

/** Returns the tree, or null when a repository appeared in it meanwhile; the last try leaves such a one out. */
async function readOnce(place: Place, directory: Directory, last: boolean): Promise<string | null> {
  const workTree = join(place.workspaceDir, directory.path);
  const git = gitIn(place, workTree);
  const reading: Reading = { place, directory, workTree, git };
  if (directory.baseTree !== null) await git(['read-tree', directory.baseTree]);
  // A gitlink in the index would make git look into that repository, with that repository's configuration.
  const links = await listLinks(git);
  await dropFromIndex(git, links);
  const untracked = await listPaths(git, ['ls-files', '-z', '--others', '--exclude-standard', '--']);
  const nested = untracked.filter((path) => path.endsWith('/'));
  const large = await findLarge(reading);
  await addAll(reading, [...nested, ...large]);
  const unexpected = await listLinks(git);
  if (unexpected.length > 0) {
    if (!last) return null;
    for (const { path } of unexpected) note(place, `${directory.path}${show(path)} keeps changing: left out`);
    await dropFromIndex(git, unexpected);
  }
  for (const path of nested) if (!(await addNested(reading, path)) && !last) return null;
  for (const link of links) await keepLink(git, workTree, link);
  return (await git(['write-tree'])).text;
}

function gitIn(place: Place, workTree: string): Git {
  const indexFile = join(place.scratch, `index-${++place.indexes.made}`);
  const profile: GitProfile = { kind: 'observe', gitDir: place.gitDir, workTree, indexFile };
  const { op, signal } = place;
  return (args, more) =>
    safeGit({ profile, args, config: SCRATCH_CONFIG, op, signal, timeoutMs: 600_000, maxBytes: 2 ** 28, ...more });
}

/** A submodule that was left alone stays what it was; one that has content now is in the index already. */
async function keepLink(git: Git, workTree: string, link: Link): Promise<void> {
  const path = show(link.path);
  const inside = await listPaths(git, ['--literal-pathspecs', 'ls-files', '-z', '--cached', '--', path]);
  if (inside.length > 0) return;
  try {
    if (!(await lstat(join(workTree, path))).isDirectory()) return;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return;
    throw error;
  }
  await git(['update-index', '--add', '-z', '--index-info'], { input: bytesOf([`160000 ${link.oid}\t${link.path}`]) });
}

/** Returns the files git would add that are too large for it, and notes them. */
async function findLarge({ place, directory, git, workTree }: Reading): Promise<string[]> {
  const argv = [
    'find',
    '.',
    '-name',
    '.git',
    '-prune',
    '-o',
    '-type',
    'f',
    '-size',
    `+${place.maxFileBytes}c`,
    '-print0',
  ];
  const env = plainEnvironment();
  const { op, signal } = place;
  // Its exit code tells of directories it may not read; git meets the same ones and names them.
  const found = await runChild({ argv, cwd: workTree, env, timeoutMs: 600_000, maxBytes: 2 ** 24, op, signal });
  const large = splitPaths(found.stdout).map((path) => path.slice(2));
  for (let at = 0; at < large.length; at += ARGUMENTS) {
    const specs = large.slice(at, at + ARGUMENTS).map(show);
    const list = ['ls-files', '-z', '--others', '--modified', '--exclude-standard', '--', ...specs];
    for (const path of await listPaths(git, ['--literal-pathspecs', ...list])) {
      note(place, `${directory.path}${show(path)} is larger than ${place.maxFileBytes} bytes: its change is left out`);
    }
  }
  return large;
}

/** What git says about single files it cannot take; anything else is a failure of the whole. */
const PER_FILE =
  /Permission denied|can only add regular files|unable to index file|invalid path|unable to add|does not have a commit checked out|No such file or directory/i;

async function addAll({ place, directory, git }: Reading, without: readonly string[]): Promise<void> {
  const input = bytesOf(['.', ...without.map((path) => `:(exclude,literal,top)${path.replace(/\/$/, '')}`)]);
  const args = ['add', '--all', '--ignore-errors', '--pathspec-from-file=-', '--pathspec-file-nul'];
  const added = await git(args, { input, okCodes: [0, 1] });
  if (added.code === 0) return;
  const lines = added.stderr.trim().split('\n');
  if (lines.some((line) => !PER_FILE.test(line))) throw gitFailure('git add', added.stderr);
  for (const line of lines)
    note(place, `${directory.path}: ${line.replace(/^(error|fatal): /, '')}`.replace(/^: /, ''));
}

/** Returns false when the repository went away while it was read. */
async function addNested({ place, directory, git }: Reading, path: string): Promise<boolean> {
  const full = `${directory.path}${show(path)}`;
  const why = whyNotEntered(directory, path);
  if (why !== null) {
    note(place, `${full} ${why}: its files are left out`);
    return true;
  }
  let tree: string;
  const before = await identify(place, full);
  if (before === null) return false;
  try {
    tree = await readDirectory(place, { path: full, baseTree: null, depth: directory.depth + 1 });
  } catch (error) {
    if ((await identify(place, full)) === before) throw error;
    return false;
  }
  note(place, `${full} is a repository of its own: its files are included, its history is not`);
  await git(['read-tree', `--prefix=${show(path)}`, tree]);
  return true;
}

function whyNotEntered(directory: Directory, path: string): string | null {
  if (directory.depth >= MAX_DEPTH) return `is a repository inside ${MAX_DEPTH} others`;
  return Buffer.from(show(path)).toString('latin1') === path ? null : 'is a repository whose name is not UTF-8';
}

/** Which directory this is, or null: none, or one behind a symlink, which would lead git out of the workspace. */
async function identify(place: Place, path: string): Promise<string | null> {
  try {
    const real = await realpath(join(place.workspaceDir, path));
    if (real !== join(await realpath(place.workspaceDir), path).replace(/\/$/, '')) return null;
    const stat = await lstat(real, { bigint: true });
    // A file system may give the number of a removed directory to the next one at once.
    return stat.isDirectory() ? `${stat.dev}:${stat.ino}:${stat.birthtimeNs}` : null;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOENT' || errno === 'ENOTDIR' || errno === 'ELOOP') return null;
    throw error;
  }
}

function note(place: Place, text: string): void {
  if (place.notes.length < MAX_NOTES && !place.notes.includes(text)) place.notes.push(text);
}
