import { readdir, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { systemClock } from '../kernel/clock.ts';
import { makeDirectory, removeDurable, renameDurable, writeDurable } from '../kernel/durable.ts';
import { fail } from '../kernel/errors.ts';
import { failpoint } from '../kernel/failpoints.ts';
import { errnoOf } from '../kernel/result.ts';
import { syncFileSystem } from './file-system.ts';
import { mendMirrorHead } from './mirror-head.ts';
import { inTurnWithPackedRefs, PACKED_REFS } from './packed-refs.ts';
import { checkOperation, exists, removeLeftovers, removeOnFailure } from './remove-tree.ts';
import { safeDirectoryConfig, safeGit, type GitProfile } from './safe-git.ts';
import { classifySource, isBranchName } from './source-address.ts';
import { failBranch, findLocalRepository, inspectSource } from './source.ts';
import { makeScratch, removeScratch, sweepScratch } from './scratch.ts';

export interface UpdateMirrorRequest {
  mirrorDir: string;
  source: string;
  sourceKind: 'path' | 'url';
  /** Intent this is done for; names the unfinished clone and marks the child processes. */
  op: string;
  /** Branch whose commit is asked for; default is the one the mirror was made with. */
  base?: string | null | undefined;
  signal?: AbortSignal | undefined;
  /** Limits of the transfer; default 1 h in all. */
  limits?: FetchLimits | undefined;
  /**
   * The caller holds the repository lock and has verified that nothing of its previous holder lives: only then are
   * lock files a killed git left behind removed.
   */
  takeover?: boolean;
}

/** How long a source may take, milliseconds. */
export interface FetchLimits {
  /** For a fetch into a mirror that exists. */
  wallMs: number;
  /** For making the mirror. */
  cloneMs: number;
  /** Without a sign of progress. */
  idleMs: number;
}

/** Ten minutes bring a mirror up to date or something is wrong; a first clone may be large. */
export const DEFAULT_FETCH_LIMITS: FetchLimits = { wallMs: 10 * 60_000, cloneMs: 60 * 60_000, idleMs: 2 * 60_000 };

/** Branches and tags of the source; refs/holdfast/* lies outside and is therefore never pruned. */
const REFSPECS = ['+refs/heads/*:refs/heads/*', '+refs/tags/*:refs/tags/*'];
/** Garbage of a killed transfer: nothing of ours writes one pack for as long as this. */
const STALE_TEMP_MS = 2 * 3_600_000;
/** Each fetch leaves one pack; above this many the small ones are rolled into one. */
const MANY_PACKS = 30;

/**
 * Brings the bare mirror of a source up to date, or makes it, and returns the commit of its base branch. The caller
 * holds the repository lock. A mirror that has its name is complete: the first clone is made beside it and renamed.
 * Throws `branch-not-found`, `empty-repository`, `source-refused`, `git-failed`, `git-timeout`, `storage-full`.
 */
export async function updateMirror(request: UpdateMirrorRequest): Promise<{ head: string; cloned: boolean }> {
  const { mirrorDir, base } = request;
  checkOperation(request.op);
  if (base !== undefined && base !== null && !isBranchName(base))
    throw fail('bad-name', `"${base}" cannot be a branch`);
  if (classifySource(request.source) !== request.sourceKind) throw fail('source-refused', request.source);
  const parent = dirname(mirrorDir);
  await makeDirectory(parent);
  await sweepScratch(parent);
  await removeLeftovers(parent, (name) => name.startsWith(`${basename(mirrorDir)}.`));
  const cloned = !(await exists(mirrorDir));
  if (cloned) await cloneMirror(request);
  else {
    if (request.takeover === true) await removeStaleLocks(mirrorDir);
    // Git fetches into nothing whose HEAD makes no sense, and the base may have been changed.
    if (typeof base === 'string') await mendMirrorHead(mirrorDir, base);
    failpoint('mirror.before-fetch');
    const config = ['core.fsync=all', PACKED_REFS];
    await fetchInto(mirrorDir, request, { config, timeoutMs: request.limits?.wallMs });
    failpoint('mirror.after-fetch');
    await rollUpPacks(request);
  }
  return { head: await resolveBase(request), cloned };
}

async function cloneMirror(request: UpdateMirrorRequest): Promise<void> {
  const { mirrorDir, op, signal } = request;
  const unfinished = `${mirrorDir}.${op}`;
  failpoint('mirror.before-clone');
  const base = request.base ?? (await inspectSource(request.source, { signal })).base;
  await removeOnFailure(unfinished, async () => {
    await initBare(unfinished, request);
    const profile: GitProfile = { kind: 'local', gitDir: unfinished };
    // Nothing is flushed one by one here: the sync before the rename covers the whole clone.
    await fetchInto(unfinished, request, { config: ['core.fsync=none'], timeoutMs: request.limits?.cloneMs });
    await safeGit({ profile, args: ['symbolic-ref', 'HEAD', `refs/heads/${base}`], op, signal });
    await safeGit({ profile, args: ['pack-refs', '--all'], config: ['core.fsync=none'], op, signal });
    await syncFileSystem(unfinished, op);
    failpoint('mirror.before-rename');
    await renameDurable(unfinished, mirrorDir);
  });
  failpoint('mirror.after-rename');
}

/** An empty bare repository in the object format of the source. */
async function initBare(path: string, request: UpdateMirrorRequest): Promise<void> {
  const { op, signal } = request;
  const format = await sourceFormat(request);
  const args = [
    'init',
    '-q',
    '--bare',
    '--template=',
    '--initial-branch=main',
    `--object-format=${format}`,
    '--',
    path,
  ];
  await safeGit({ profile: { kind: 'local', gitDir: null }, args, op, signal });
}

async function sourceFormat(request: UpdateMirrorRequest): Promise<string> {
  if (request.sourceKind === 'path') {
    const { gitDir } = await findLocalRepository(request.source);
    return (await safeGit({ profile: { kind: 'local', gitDir }, args: ['rev-parse', '--show-object-format'] })).text;
  }
  const profile: GitProfile = { kind: 'network', gitDir: null };
  const args = ['ls-remote', '--heads', '--', request.source];
  const timeoutMs = request.limits?.idleMs;
  const { text } = await safeGit({ profile, args, op: request.op, signal: request.signal, timeoutMs });
  return /^[0-9a-f]{64}\t/.test(text) ? 'sha256' : 'sha1';
}

async function fetchInto(
  gitDir: string,
  request: UpdateMirrorRequest,
  how: { config: readonly string[]; timeoutMs: number | undefined },
): Promise<void> {
  // It says how far it is, so that silence means that nothing moves.
  const args = ['fetch', '--progress', '--prune', '--force', '--no-write-fetch-head', '--no-recurse-submodules'];
  args.push('--no-auto-maintenance', '--update-shallow', '--', request.source, ...REFSPECS);
  const { op, signal, limits } = request;
  const fetch = { ...how, args, op, signal, idleMs: limits?.idleMs };
  if (request.sourceKind === 'url') {
    await safeGit({ ...fetch, profile: { kind: 'network', gitDir } });
    return;
  }
  const local = await findLocalRepository(request.source);
  if (local.top !== request.source) throw fail('source-refused', `${request.source} is now inside ${local.top}`);
  if (!local.foreign) {
    await safeGit({ ...fetch, profile: { kind: 'path', gitDir, configFile: null } });
    return;
  }
  const scratch = await makeScratch(dirname(request.mirrorDir));
  try {
    const configFile = join(scratch, 'config');
    await writeDurable(configFile, safeDirectoryConfig([local.top, join(local.top, '.git'), local.gitDir]));
    await safeGit({ ...fetch, profile: { kind: 'path', gitDir, configFile } });
  } finally {
    await removeScratch(scratch);
  }
}

async function resolveBase(request: UpdateMirrorRequest): Promise<string> {
  const profile: GitProfile = { kind: 'local', gitDir: request.mirrorDir };
  const ref = typeof request.base === 'string' ? `refs/heads/${request.base}` : 'HEAD';
  const args = ['rev-parse', '--verify', '--quiet', '--end-of-options', `${ref}^{commit}`];
  const found = await safeGit({ profile, args, okCodes: [0, 1] });
  if (found.code === 0) return found.text;
  const refs = await safeGit({ profile, args: ['for-each-ref', '--format=%(refname:short)', 'refs/heads/'] });
  const branches = refs.text.split('\n').filter((name) => name !== '');
  if (branches.length === 0) throw fail('empty-repository', request.source);
  throw failBranch(request.source, request.base ?? 'HEAD', branches);
}

/** Removes what a killed git left: its lock files at once, its temp packs when they are old enough. */
async function removeStaleLocks(mirrorDir: string): Promise<void> {
  // Who deletes refs of jobs locks `packed-refs` without the lock of the repository: it is let finish (packed-refs.ts).
  await inTurnWithPackedRefs(mirrorDir, async () => {
    // Of a new `packed-refs` that is not whole git says that it is there, for ever.
    const isLeft = (name: string): boolean => name.endsWith('.lock') || name === 'packed-refs.new';
    for (const name of await readdir(mirrorDir)) if (isLeft(name)) await removeDurable(join(mirrorDir, name));
  });
  // Not below refs/holdfast: another job may be saving its tree there right now, under its own right.
  for (const kind of ['heads', 'tags']) await removeLocksBelow(join(mirrorDir, 'refs', kind));
  const packs = join(mirrorDir, 'objects', 'pack');
  for (const name of await readdir(packs)) {
    if (!name.startsWith('tmp_') && !name.startsWith('.tmp-')) continue;
    await removeIfStale(join(packs, name));
  }
}

/** A temp pack may become a pack at any moment: another job may be saving its tree, under its own right. */
async function removeIfStale(path: string): Promise<void> {
  try {
    if (systemClock.now() - (await stat(path)).mtimeMs > STALE_TEMP_MS) await unlink(path);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}

async function removeLocksBelow(directory: string): Promise<void> {
  let entries;
  try {
    entries = await readdir(directory, { withFileTypes: true });
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return;
    throw error;
  }
  for (const entry of entries) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) await removeLocksBelow(path);
    else if (entry.name.endsWith('.lock')) await unlink(path);
  }
}

/** Under the repository lock, so that no workspace is copying packs meanwhile; readers reopen what moved. */
async function rollUpPacks(request: UpdateMirrorRequest): Promise<void> {
  const packs = join(request.mirrorDir, 'objects', 'pack');
  const names = await readdir(packs);
  if (names.filter((name) => name.endsWith('.pack')).length <= MANY_PACKS) return;
  const profile: GitProfile = { kind: 'local', gitDir: request.mirrorDir };
  const { op, signal } = request;
  await safeGit({ profile, args: ['repack', '-q', '-d', '--geometric=2'], op, signal, timeoutMs: 3_600_000 });
}
