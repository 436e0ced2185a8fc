import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';
import { fail } from '../kernel/errors.ts';
import { whyBroken } from './check-history.ts';
import { checkWorkspace } from './check-workspace.ts';
import { keepCommit, packCommits, type Git } from './keep-commits.ts';
import { readHead } from './read-head.ts';
import { safeGit } from './safe-git.ts';
import { makeScratchRepository } from './scratch-repository.ts';
import { makeScratch, removeScratch } from './scratch.ts';
import { takeSnapshot } from './snapshot.ts';
import { listStrays } from './stray-commits.ts';

export interface HarvestRequest {
  mirrorDir: string;
  workspaceDir: string;
  /** Commit the workspace was made from. */
  baseCommit: string;
  /** `refs/holdfast/<job>/candidate-<attempt>`: what the commit is kept under in the mirror. */
  ref: string;
  op?: string | undefined;
  signal?: AbortSignal | undefined;
}

/** What an agent left, as git shows it. `notes` say what is not in it as it lies on disk. */
export type Harvest = { notes: string[] } & (
  | { kind: 'committed'; commit: string; tree: string; branch: string | null; commits: number }
  /** `diffSha256` is the same for the same uncommitted changes, whatever was committed beside them. */
  | { kind: 'uncommitted'; diffSha256: string }
  | { kind: 'empty' }
  | { kind: 'unusable'; why: string }
);

/** More commits than this are no work of one job. */
const MAX_COMMITS = 10_000;
const MAX_FILE_BYTES = 2 ** 30;

/**
 * Takes the commits of an agent that is dead (verified) into the mirror, where nothing of it can change them any more.
 * Its repository is read as data: objects, HEAD and refs, never its configuration, hooks or attributes. What is
 * unusable is not lost: the tree as it lies on disk is saved by `saveTree`. Can be repeated.
 * Throws `git-failed`, `git-timeout`, `storage-full` for faults that are ours.
 */
export async function harvestWork(request: HarvestRequest): Promise<Harvest> {
  if (!/^refs\/holdfast\/[A-Za-z0-9_-]+\/candidate-\d+$/.test(request.ref))
    throw fail('internal', `${request.ref} is not ours`);
  const unsafe = await checkWorkspace(request.workspaceDir, request.mirrorDir);
  if (unsafe !== null) return { kind: 'unusable', why: unsafe, notes: [] };
  const head = await readHead(request.workspaceDir);
  if ('why' in head) return { kind: 'unusable', why: head.why, notes: [] };
  const scratch = await makeScratch(dirname(request.mirrorDir));
  try {
    return await harvestHead(request, { ...head, scratch });
  } finally {
    await removeScratch(scratch);
  }
}

interface Found {
  commit: string;
  branch: string | null;
  scratch: string;
}

async function harvestHead(request: HarvestRequest, found: Found): Promise<Harvest> {
  const { baseCommit, mirrorDir, op, signal } = request;
  const { commit, branch, scratch } = found;
  if (commit.length !== baseCommit.length) return unusable('its commits have ids of another form');
  const moreObjects = join(request.workspaceDir, '.git', 'objects');
  const stores = [join(mirrorDir, 'objects'), moreObjects];
  const gitDir = await makeScratchRepository({
    gitDir: join(scratch, 'history.git'),
    stores,
    like: baseCommit,
    op,
    signal,
  });
  const git: Git = (args, more) => safeGit({ profile: { kind: 'local', gitDir }, args, op, signal, ...more });
  const why = await whyUnusable(git, { commit, baseCommit });
  if (why !== null) return unusable(why);
  const commits = Number((await git(['rev-list', '--count', `${baseCommit}..${commit}`, '--'])).text);
  if (commits > MAX_COMMITS) return unusable(`it made ${commits} commits, more than ${MAX_COMMITS}`);
  const pack = await packCommits(git, { commit, baseCommit, scratch });
  if (pack.refused !== null) return unusable(pack.refused);
  const snapshot = { ...request, baseCommit: commit, moreObjects, scratch, maxFileBytes: MAX_FILE_BYTES };
  const { tree, gitDir: taken, notes } = await takeSnapshot(snapshot);
  const changes = await safeGit({
    profile: { kind: 'local', gitDir: taken },
    args: diffTree(commit, tree),
    op,
    signal,
  });
  if (changes.text !== '') {
    const diffSha256 = createHash('sha256').update(changes.stdout).digest('hex');
    return { kind: 'uncommitted', diffSha256, notes };
  }
  if ((await git(diffTree(baseCommit, commit))).text === '') {
    const mirrorGit: Git = (args, more) =>
      safeGit({ profile: { kind: 'local', gitDir: mirrorDir }, args, op, signal, ...more });
    const [stray] = await listStrays({ ...request, head: commit, git, mirrorGit });
    if (stray === undefined) return { kind: 'empty', notes };
    return unusable(`its work is in ${stray.name}, not on the branch it is on`);
  }
  await keepCommit({ ...request, message: 'harvest' }, { commit, packFile: pack.path });
  return { kind: 'committed', commit, tree, branch, commits, notes };
}

function unusable(why: string): Harvest {
  return { kind: 'unusable', why, notes: [] };
}

/** Which files differ, by their content: says nothing for trees that are the same. */
function diffTree(from: string, to: string): string[] {
  return ['diff-tree', '-r', '-z', '--raw', '--no-renames', '--ignore-submodules=none', from, to, '--'];
}

/** Why a history cannot be handed on as it is, or null. */
async function whyUnusable(
  git: Git,
  { commit, baseCommit }: { commit: string; baseCommit: string },
): Promise<string | null> {
  const broken = await whyBroken(git, { commit, baseCommit });
  if (broken !== null) return broken;
  const links = (await git(diffTree(baseCommit, commit))).text
    .split('\0')
    .filter((entry) => /^:\d{6} 160000 /.test(entry));
  return links.length === 0
    ? null
    : 'it committed a repository inside its own as a link: the files of that one are in no commit';
}
