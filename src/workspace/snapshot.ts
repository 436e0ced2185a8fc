import { lstat, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../kernel/result.ts';
import { fail } from '../kernel/errors.ts';
import { safeGit, type GitProfile, type GitRequest } from './safe-git.ts';

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
  /** Empty directory for repository and index. */
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
  const gitDir = join(request.scratch, 'repo.git');
  const common = { op: request.op, signal: request.signal };
  const mirror: GitProfile = { kind: 'local', gitDir: request.mirrorDir };
  const format = (await safeGit({ ...common, profile: mirror, args: ['rev-parse', '--show-object-format'] })).text;
  const init = ['init', '-q', '--bare', '--template=', `--object-format=${format}`, '--', gitDir];
  await safeGit({ ...common, profile: { kind: 'local', gitDir: null }, args: init });
  await mkdir(join(gitDir, 'objects', 'info'), { recursive: true });
  await writeFile(join(gitDir, 'objects', 'info', 'alternates'), `${join(request.mirrorDir, 'objects')}\n`);
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
  for (let attempt = 1; ; attempt++) {
    try {
      return await readOnce(place, directory);
    } catch (error) {
      if (attempt === MAX_TRIES || !(error instanceof TreeChanged)) throw error;
    }
  }
}

class TreeChanged extends Error {}

async function readOnce(place: Place, directory: Directory): Promise<string> {
  const workTree = join(place.workspaceDir, directory.path);
  const git = gitIn(place, workTree);
  if (directory.baseTree !== null) await git(['read-tree', directory.baseTree]);
  // A gitlink in the index would make git look into that repository, with that repository's configuration.
  const links = await listLinks(git);
  await dropFromIndex(git, links);
  const untracked = await listPaths(git, ['ls-files', '-z', '--others', '--exclude-standard']);
  const nested = untracked.filter((path) => path.endsWith('/'));
  const modified = await listPaths(git, ['ls-files', '-z', '--modified']);
  const large = await findLarge(place, workTree, [...untracked, ...modified]);
  for (const path of large)
    note(place, `${directory.path}${path} is larger than ${place.maxFileBytes} bytes: left out`);
  await addAll(place, directory, git, [...nested, ...large]);
  const unexpected = await listLinks(git);
  if (unexpected.length > 0) throw new TreeChanged(`${unexpected[0]?.path} became a repository`);
  for (const path of nested) await addNested(place, directory, git, path);
  for (const link of links) await keepLink(git, workTree, link);
  return (await git(['write-tree'])).text;
}

type Git = (args: string[], more?: Partial<GitRequest>) => Promise<{ text: string; code: number; stderr: string }>;

function gitIn(place: Place, workTree: string): Git {
  const indexFile = join(place.scratch, `index-${++place.indexes.made}`);
  const profile: GitProfile = { kind: 'observe', gitDir: place.gitDir, workTree, indexFile };
  const { op, signal } = place;
  return (args, more) =>
    safeGit({ profile, args, config: SCRATCH_CONFIG, op, signal, timeoutMs: 600_000, maxBytes: 2 ** 28, ...more });
}

async function listPaths(git: Git, args: string[]): Promise<string[]> {
  return (await git([...args, '--'])).text.split('\0').filter((path) => path !== '');
}

interface Link {
  oid: string;
  path: string;
}

async function listLinks(git: Git): Promise<Link[]> {
  const entries = await listPaths(git, ['ls-files', '-z', '--stage']);
  return entries.flatMap((entry) => {
    const match = /^160000 ([0-9a-f]+) \d\t([^]+)$/.exec(entry);
    return match?.[1] === undefined || match[2] === undefined ? [] : [{ oid: match[1], path: match[2] }];
  });
}

async function dropFromIndex(git: Git, links: readonly Link[]): Promise<void> {
  if (links.length === 0) return;
  const input = links.map((link) => `${link.path}\0`).join('');
  await git(['update-index', '-z', '--force-remove', '--stdin'], { input });
}

/** A submodule that was left alone stays what it was; one that has content now is in the index already. */
async function keepLink(git: Git, workTree: string, link: Link): Promise<void> {
  const inside = await listPaths(git, ['ls-files', '-z', '--cached', '--', link.path]);
  if (inside.length > 0) return;
  try {
    if (!(await lstat(join(workTree, link.path))).isDirectory()) return;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return;
    throw error;
  }
  await git(['update-index', '--add', '-z', '--index-info'], { input: `160000 ${link.oid}\t${link.path}\0` });
}

async function findLarge(place: Place, workTree: string, paths: readonly string[]): Promise<string[]> {
  const large: string[] = [];
  for (const path of new Set(paths)) {
    if (path.endsWith('/')) continue;
    const stat = await lstat(join(workTree, path)).catch(() => null);
    if (stat?.isFile() === true && stat.size > place.maxFileBytes) large.push(path);
  }
  return large;
}

/** What git says about single files it cannot take; anything else is a failure of the whole. */
const PER_FILE =
  /Permission denied|can only add regular files|unable to index file|Invalid path|unable to add|adding files failed|updating files failed|does not have a commit checked out|No such file or directory/i;

async function addAll(place: Place, directory: Directory, git: Git, without: readonly string[]): Promise<void> {
  const exclude = without.map((path) => `:(exclude,literal,top)${path.replace(/\/$/, '')}`);
  const input = ['.', ...exclude].map((spec) => `${spec}\0`).join('');
  const args = ['add', '--all', '--ignore-errors', '--pathspec-from-file=-', '--pathspec-file-nul'];
  const added = await git(args, { input, okCodes: [0, 1, 128] });
  if (added.code === 0) return;
  const lines = added.stderr.trim().split('\n');
  if (/does not have a commit checked out/.test(added.stderr)) throw new TreeChanged('a repository appeared');
  if (lines.some((line) => !PER_FILE.test(line)))
    throw fail('git-failed', `git add: ${added.stderr.trim().slice(-2000)}`);
  for (const line of lines) {
    if (!/failed$/.test(line))
      note(place, `${directory.path === '' ? '' : `in ${directory.path}: `}${line.replace(/^(error|fatal): /, '')}`);
  }
}

async function addNested(place: Place, directory: Directory, git: Git, path: string): Promise<void> {
  const full = `${directory.path}${path}`;
  if (directory.depth >= MAX_DEPTH) {
    note(place, `${full} is a repository inside ${MAX_DEPTH} others: its files are left out`);
    return;
  }
  const tree = await readDirectory(place, { path: full, baseTree: null, depth: directory.depth + 1 });
  note(place, `${full} is a repository of its own: its files are included, its history is not`);
  await git(['read-tree', `--prefix=${path}`, tree]);
}

function note(place: Place, text: string): void {
  if (place.notes.length < MAX_NOTES && !place.notes.includes(text)) place.notes.push(text);
}
