/**
 * Mirrors in a backup: one bundle of git each. It names its refs and carries the objects they need, all or none; a plain
 * copy of a repository that is fetched into meanwhile would have to trust the order in which files were read.
 */
import { chmod, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { makeDirectory, readIfExists, writeDurable } from '../kernel/durable.ts';
import { fail, isError } from '../kernel/errors.ts';
import { exists, listNames, removeOnFailure, removeTree } from './remove-tree.ts';
import { safeGit, type GitProfile } from './safe-git.ts';

const TIMEOUT_MS = 3_600_000;
/** A ref may go between being listed and being bundled, and a pack may be rolled into another. */
const TRIES = 3;

/** What a bundle cannot say of its repository. */
export interface BundledMirror {
  /** Branch that is its HEAD. */
  head: string;
  format: 'sha1' | 'sha256';
  /** `<commit> <name>`, in the order of git. */
  refs: string[];
  /** Text of its file `shallow`, or null for a complete history. */
  shallow: string | null;
}

export interface BundleRequest {
  mirrorDir: string;
  /** New file. */
  file: string;
  /** Whether a ref goes into it. */
  wants: (ref: string) => boolean;
  op?: string | undefined;
  signal?: AbortSignal | undefined;
}

/** Bundles a mirror at work; null when it is not there or has no ref. Throws `git-failed`, `storage-full`. */
export async function bundleMirror(request: BundleRequest): Promise<BundledMirror | null> {
  if (!(await exists(request.mirrorDir))) return null;
  for (let tries = 1; ; tries++) {
    try {
      return await bundleOnce(request);
    } catch (error) {
      await removeTree(request.file);
      await removeTree(`${request.file}.lock`);
      if (tries === TRIES || !isError(error, 'git-failed')) throw error;
      request.signal?.throwIfAborted();
    }
  }
}

async function bundleOnce({ mirrorDir, file, wants, op, signal }: BundleRequest): Promise<BundledMirror | null> {
  const profile: GitProfile = { kind: 'local', gitDir: mirrorDir };
  const ask = async (...args: string[]): Promise<string> => (await safeGit({ profile, args, signal })).text;
  const shallow = (await readIfExists(join(mirrorDir, 'shallow')))?.toString() ?? null;
  const refs = await listRefs(mirrorDir, wants, signal);
  if (refs.length === 0) return null;
  const input = refs.map((line) => `${line.slice(line.indexOf(' ') + 1)}\n`).join('');
  const args = ['bundle', 'create', '--quiet', file, '--stdin'];
  await safeGit({ profile, args, input, op, signal, timeoutMs: TIMEOUT_MS });
  await chmod(file, 0o600);
  const bundled = (await ask('bundle', 'list-heads', file)).split('\n').filter((line) => line !== '');
  const format = (await ask('rev-parse', '--show-object-format')) as BundledMirror['format'];
  return { head: await ask('symbolic-ref', 'HEAD'), format, refs: bundled, shallow };
}

async function listRefs(
  mirrorDir: string,
  wants: (ref: string) => boolean,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const profile: GitProfile = { kind: 'local', gitDir: mirrorDir };
  const { text } = await safeGit({ profile, args: ['for-each-ref', '--format=%(objectname) %(refname)'], signal });
  return text.split('\n').filter((line) => line !== '' && wants(line.slice(line.indexOf(' ') + 1)));
}

/**
 * Makes the bare mirror `mirrorDir` from a bundle, flushed by whoever flushes the tree it lies in. Git hashes every
 * object on the way, and refuses a bundle that lacks one. Throws `backup-damaged`, `storage-full`.
 */
export async function unbundleMirror(request: {
  file: string;
  mirrorDir: string;
  mirror: BundledMirror;
  signal?: AbortSignal | undefined;
}): Promise<void> {
  const { file, mirrorDir, mirror, signal } = request;
  if ((await stat(file)).size === 0) throw fail('backup-damaged', `${basename(file)} is empty`);
  await makeDirectory(dirname(mirrorDir));
  const profile: GitProfile = { kind: 'path', gitDir: mirrorDir, configFile: null };
  const common = { signal, config: ['core.fsync=none'], timeoutMs: TIMEOUT_MS };
  await removeOnFailure(mirrorDir, async () => {
    const init = ['init', '-q', '--bare', '--template=', '--initial-branch=main', `--object-format=${mirror.format}`];
    await safeGit({ ...common, profile: { kind: 'local', gitDir: null }, args: [...init, '--', mirrorDir] });
    if (mirror.shallow !== null) await writeDurable(join(mirrorDir, 'shallow'), mirror.shallow);
    const fetch = ['fetch', '--quiet', '--no-write-fetch-head', '--no-recurse-submodules', '--no-auto-maintenance'];
    fetch.push('--no-tags');
    await safeGit({ ...common, profile, args: [...fetch, '--', file, '+refs/*:refs/*'] });
    if (mirror.refs.some((line) => line.includes(' refs/holdfast/'))) await keepPacks(mirrorDir);
    const local: GitProfile = { kind: 'local', gitDir: mirrorDir };
    await safeGit({ ...common, profile: local, args: ['symbolic-ref', 'HEAD', mirror.head] });
    const found = await listRefs(mirrorDir, () => true, signal);
    if (found.toSorted().join('\n') !== mirror.refs.toSorted().join('\n'))
      throw fail('backup-damaged', `${basename(file)} does not hold the refs it was made with`);
  }).catch((error: unknown) => {
    if (!isError(error, 'git-failed')) throw error;
    throw fail('backup-damaged', `${basename(file)}: ${error.detail}`, { cause: error });
  });
}

/** What holds trees of jobs is marked `.keep`, as a save marks it: then workspaces of other jobs are not copied from it. */
async function keepPacks(mirrorDir: string): Promise<void> {
  const packs = join(mirrorDir, 'objects', 'pack');
  for (const name of await listNames(packs)) {
    if (name.endsWith('.pack')) await writeDurable(join(packs, name.replace(/pack$/, 'keep')), 'restored\n');
  }
}

/** Reads a bundle back: makes a mirror of it in the empty directory `scratch`, and removes that again. */
export async function verifyBundle(request: {
  file: string;
  scratch: string;
  mirror: BundledMirror;
  signal?: AbortSignal | undefined;
}): Promise<void> {
  const mirrorDir = join(request.scratch, 'mirror.git');
  try {
    await unbundleMirror({ ...request, mirrorDir });
  } finally {
    await removeTree(mirrorDir);
  }
}
