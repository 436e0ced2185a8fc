/** What a job has to give, taken out of the home as data: a patch, or a bundle with its branch. Changes nothing there. */
import { createReadStream } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { readIfExists, writeDurable } from '../kernel/durable.ts';
import { fail } from '../kernel/errors.ts';
import { renderPatch } from './render-patch.ts';
import { safeGit, type GitProfile } from './safe-git.ts';
import { makeScratchRepository } from './scratch-repository.ts';
import { makeScratch, removeScratch } from './scratch.ts';
import { takeSnapshot } from './snapshot.ts';

export interface ResultRequest {
  mirrorDir: string;
  /** Commit the work began at. */
  base: string;
  /** Where the work is: a commit in the mirror, or a workspace as it lies on disk (the caller has looked at it). */
  work: { kind: 'commit'; commit: string } | { kind: 'workspace'; workspaceDir: string };
  /** Of the commit that is made of a workspace. */
  message: string;
  op: string;
}

/** The branch of a job for somebody else's repository. */
export interface Bundle {
  /** A bundle of one branch with its whole history; the files behind it go when it is closed. */
  stream: Readable;
  /** Commits the history of the mirror ends at; empty for a complete one. */
  shallow: string[];
}

const BUNDLE_TIMEOUT_MS = 600_000;
const MAX_FILE_BYTES = 2 ** 30;
const IDENTITY = ['user.name=Holdfast', 'user.email=holdfast@holdfast.invalid'];

/** Returns a patch `git apply` takes, empty when nothing was changed; null where it would be too large. Throws `git-failed`. */
export async function patchResult(request: ResultRequest): Promise<Buffer | null> {
  const { mirrorDir, base, op } = request;
  const scratch = await makeScratch(dirname(mirrorDir));
  try {
    const { gitDir, tree } = await openWork(request, scratch);
    return await renderPatch({ mirrorDir: gitDir, from: base, to: tree, op });
  } finally {
    await removeScratch(scratch);
  }
}

/** Returns the work as a bundle of the branch `branch`, or null when nothing was changed. Throws `git-failed`, `storage-full`. */
export async function bundleResult(request: ResultRequest & { branch: string }): Promise<Bundle | null> {
  const scratch = await makeScratch(dirname(request.mirrorDir));
  try {
    const bundle = await bundleIn(request, scratch);
    if (bundle === null) await removeScratch(scratch);
    return bundle;
  } catch (error) {
    await removeScratch(scratch);
    throw error;
  }
}

async function bundleIn(request: ResultRequest & { branch: string }, scratch: string): Promise<Bundle | null> {
  const { mirrorDir, base, branch, message, op } = request;
  const { gitDir, tree, commit: known, notes } = await openWork(request, scratch);
  const git = gitIn(gitDir, op);
  if (known === null && tree === (await git(['rev-parse', `${base}^{tree}`])).text) return null;
  const text = [message, ...(notes.length === 0 ? [] : ['', ...notes]), ''].join('\n');
  const commit = known ?? (await git(['commit-tree', '-p', base, '-F', '-', tree], text)).text;
  const shallow = await readIfExists(join(mirrorDir, 'shallow'));
  if (shallow !== null) await writeDurable(join(gitDir, 'shallow'), shallow);
  const ref = `refs/heads/${branch}`;
  await git(['update-ref', '--', ref, commit]);
  const file = join(scratch, 'result.bundle');
  await git(['bundle', 'create', '--quiet', file, ref]);
  const stream = createReadStream(file);
  stream.once('close', () => void removeScratch(scratch).catch(() => undefined));
  const lines = shallow?.toString().split('\n') ?? [];
  return { stream, shallow: lines.filter((line) => line !== '') };
}

type Git = (args: readonly string[], input?: string) => ReturnType<typeof safeGit>;

function gitIn(gitDir: string, op: string): Git {
  const profile: GitProfile = { kind: 'local', gitDir };
  const config = ['core.fsync=none', ...IDENTITY];
  return (args, input) => safeGit({ profile, args, input, config, op, timeoutMs: BUNDLE_TIMEOUT_MS });
}

interface Opened {
  /** Repository of ours in scratch that has everything. */
  gitDir: string;
  /** Something `git diff` compares with. */
  tree: string;
  /** Null where there is only a tree. */
  commit: string | null;
  notes: string[];
}

async function openWork({ mirrorDir, base, work, op }: ResultRequest, scratch: string): Promise<Opened> {
  if (work.kind === 'workspace') {
    const { workspaceDir } = work;
    const request = { mirrorDir, workspaceDir, baseCommit: base, scratch, maxFileBytes: MAX_FILE_BYTES, op };
    return { ...(await takeSnapshot(request)), commit: null };
  }
  const { commit } = work;
  const request = { gitDir: join(scratch, 'repo.git'), stores: [join(mirrorDir, 'objects')], like: base, op };
  const gitDir = await makeScratchRepository(request);
  const found = await gitIn(gitDir, op)(['rev-parse', '--verify', '--end-of-options', `${commit}^{commit}`]);
  if (found.text !== commit) throw fail('git-failed', `${commit} is not in the mirror`);
  return { gitDir, tree: commit, commit, notes: [] };
}
