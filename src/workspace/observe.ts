import { dirname, join } from 'node:path';
import { removeDurable, syncDirectory } from '../kernel/durable.ts';
import { fail } from '../kernel/errors.ts';
import { failpoint } from '../kernel/failpoints.ts';
import { flushRefName } from './flush-ref.ts';
import { nameStrays } from './keep-strays.ts';
import { renderDiff } from './render-diff.ts';
import { safeGit, type GitProfile } from './safe-git.ts';
import { makeScratch, removeScratch } from './scratch.ts';
import { takeSnapshot, type Snapshot } from './snapshot.ts';

export interface DiffRequest {
  mirrorDir: string;
  workspaceDir: string;
  baseCommit: string;
  /** Directory all paths of the diff are shown in, like `lib`; default none. */
  prefix?: string | undefined;
  /** Bytes of the diff that are returned, default 16 MiB; a cut one says so in its last line. */
  maxBytes?: number;
  op?: string | undefined;
  signal?: AbortSignal | undefined;
}

/** A diff shows no file larger than this; it is named instead. */
const MAX_DIFF_FILE_BYTES = 64 * 2 ** 20;

/**
 * Returns the unified diff from `baseCommit` to the workspace as it lies on disk: committed, uncommitted and untracked
 * changes, binary files marked, text as UTF-8 (other bytes become U+FFFD). Lines starting with `# ` before the first
 * `diff --git` say what is not shown as it is; `git apply` skips them. Works while the agent writes.
 * Throws `git-failed`, `git-timeout`, `storage-full`.
 */
export async function diffWorkspace(request: DiffRequest): Promise<string> {
  const { baseCommit, op, signal } = request;
  const scratch = await makeScratch(dirname(request.mirrorDir));
  try {
    const snapshot = await takeSnapshot({ ...request, scratch, maxFileBytes: MAX_DIFF_FILE_BYTES });
    const { maxBytes } = request;
    const { gitDir, tree } = snapshot;
    const strays = await nameStrays(request);
    const notes = [...snapshot.notes, ...strays.map((name) => `${name} has commits that are not shown here`)];
    return await renderDiff({
      gitDir,
      from: baseCommit,
      to: tree,
      notes,
      maxBytes,
      prefix: request.prefix,
      op,
      signal,
    });
  } finally {
    await removeScratch(scratch);
  }
}

export interface SaveTreeRequest {
  mirrorDir: string;
  workspaceDir: string;
  /** `refs/holdfast/<job>/attempt-<n>`; only below refs/holdfast. */
  ref: string;
  message: string;
  /** Commit the workspace was made from. */
  parent: string;
  op?: string | undefined;
  signal?: AbortSignal | undefined;
  /** The caller has verified that no earlier save of this ref lives: its lock file, if any, is removed. */
  takeover?: boolean;
  /** Refuse with `workspace-unsafe` what cannot be saved as it lies there, instead of noting it in the message. */
  whole?: boolean;
}

/** A file larger than this is not saved but named in the message: a save must not fill the disk it protects. */
const MAX_SAVED_FILE_BYTES = 2 ** 30;
const IDENTITY = ['user.name=Holdfast', 'user.email=holdfast@holdfast.invalid'];

/**
 * Saves the workspace as it lies on disk as a commit on `ref` in the mirror and returns its id; the agent's index, HEAD
 * and stash are not touched, ignored files are not saved. The objects are durable before the ref names them. Saving the
 * same content again returns the commit that is there; other content moves the ref, its reflog keeps the old one.
 * Throws `git-failed`, `git-timeout`, `storage-full`.
 */
export async function saveTree(request: SaveTreeRequest): Promise<string> {
  const { mirrorDir, ref, parent, op, signal } = request;
  if (!/^refs\/holdfast\/[A-Za-z0-9_-]+(\/[A-Za-z0-9_-]+)+$/.test(ref)) throw fail('internal', `${ref} is not ours`);
  const mirror: GitProfile = { kind: 'local', gitDir: mirrorDir };
  const scratch = await makeScratch(dirname(mirrorDir));
  try {
    const snapshot = await takeSnapshot({
      ...request,
      baseCommit: parent,
      scratch,
      maxFileBytes: MAX_SAVED_FILE_BYTES,
    });
    if (request.whole === true && snapshot.notes.length > 0) {
      throw fail('workspace-unsafe', `it cannot be saved whole: ${snapshot.notes.join('; ')}`);
    }
    const old = await readSaved(mirror, ref);
    if (old !== null && old.tree === snapshot.tree && old.parent === parent) {
      // Whoever saved it may have been killed before it could flush the name.
      await flushRefName(mirrorDir, ref);
      return old.commit;
    }
    const commit = await importCommit(snapshot, scratch, request);
    failpoint('workspace.before-save-ref');
    if (request.takeover === true) await removeDurable(join(mirrorDir, `${ref}.lock`));
    const args = [
      'update-ref',
      '--create-reflog',
      '-m',
      'save',
      '--',
      ref,
      commit,
      old?.commit ?? '0'.repeat(commit.length),
    ];
    await safeGit({ profile: mirror, args, config: ['core.logAllRefUpdates=always', ...IDENTITY], op, signal });
    await flushRefName(mirrorDir, ref);
    failpoint('workspace.after-save-ref');
    return commit;
  } finally {
    await removeScratch(scratch);
  }
}

async function readSaved(
  mirror: GitProfile,
  ref: string,
): Promise<{ commit: string; tree: string; parent: string } | null> {
  const args = ['for-each-ref', '--format=%(objectname) %(tree) %(parent)', '--', ref];
  const [commit = '', tree = '', parent = ''] = (await safeGit({ profile: mirror, args })).text.split(' ');
  return commit === '' ? null : { commit, tree, parent };
}

/**
 * Makes the commit in scratch and moves it into the mirror as one pack: two flushes instead of one per file. The pack
 * is marked `.keep`, so that workspaces of other jobs are not made from it and no clean-up takes it apart.
 */
async function importCommit(snapshot: Snapshot, scratch: string, request: SaveTreeRequest): Promise<string> {
  const { parent, message, op, signal } = request;
  const common = { op, signal, config: ['core.fsync=none', ...IDENTITY] };
  const own: GitProfile = { kind: 'local', gitDir: snapshot.gitDir };
  const text = [message, ...(snapshot.notes.length === 0 ? [] : ['', ...snapshot.notes])].join('\n');
  const args = ['commit-tree', '-p', parent, '-F', '-', snapshot.tree];
  const commit = (await safeGit({ ...common, profile: own, args, input: `${text}\n` })).text;
  const name = await safeGit({
    ...common,
    profile: own,
    args: ['pack-objects', '--quiet', '--revs', join(scratch, 'saved')],
    input: `${commit}\n^${parent}\n`,
    timeoutMs: 600_000,
  });
  await safeGit({
    profile: { kind: 'local', gitDir: request.mirrorDir },
    args: ['index-pack', '--stdin', `--keep=${request.ref}`],
    inputFile: join(scratch, `saved-${name.text}.pack`),
    op,
    signal,
    timeoutMs: 600_000,
  });
  // Its name too: git flushes the pack alone.
  await syncDirectory(join(request.mirrorDir, 'objects', 'pack'));
  return commit;
}
