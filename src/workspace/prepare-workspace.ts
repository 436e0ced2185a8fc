import { mkdir, readFile, readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { makeDirectory, renameDurable, writeDurable } from '../kernel/durable.ts';
import { fail } from '../kernel/errors.ts';
import { failpoint } from '../kernel/failpoints.ts';
import type { JobFile } from '../lifecycle/job-file.ts';
import { checkWorkspace } from './check-workspace.ts';
import { canReflink, copyNewFile, syncFileSystem } from './file-system.ts';
import { checkOperation, exists, removeLeftovers, removeOnFailure } from './remove-tree.ts';
import { restoreTree } from './restore-tree.ts';
import { objectFormatOf, quoteConfig, safeGit, type GitProfile, type GitRequest } from './safe-git.ts';
import { isBranchName } from './source-address.ts';
import { copyStagedFiles } from './staging.ts';

/** How the objects got there: blocks shared by the file system, packs copied, or everything sent by git. */
export type CopyMethod = 'reflink' | 'clone' | 'copy';

export interface PrepareWorkspaceRequest {
  mirrorDir: string;
  workspaceDir: string;
  /** Full object id of the commit to start from. */
  baseCommit: string;
  /** The job's own branch, without `refs/heads/`. */
  branch: string;
  op: string;
  /** Path whose name begins that of the unfinished one; default `workspaceDir`. On the same file system. */
  unfinishedBeside?: string | undefined;
  /** What `origin` is to point at; without it there is no remote. */
  sourceUrl?: string | undefined;
  /** Files that were sent for the job; they come to lie at the top. */
  uploads?: { stagingDir: string; files: readonly JobFile[] } | undefined;
  /** Commit in the mirror whose tree takes the place of the base's: a workspace that went comes back as it was saved. */
  restore?: string | undefined;
  /** Forces one way; default is the best one the file system can do. */
  method?: CopyMethod | undefined;
  signal?: AbortSignal | undefined;
}

/** Where `git push` of an agent goes: nowhere, with a reason. Delivering is the hand-off's business. */
const NO_PUSH = 'disabled://delivery-is-done-by-holdfast';
/** Kept packs hold saved trees of jobs (see observe.ts); no workspace gets those. */
const KEEP = '.keep';
/** Above this many, refs go into one file. */
const MANY_REFS = 100;

/**
 * Makes the copy of one repository for a job, which is the workspace of a job of one, and lies in that of a job of
 * several (side-by-side.ts): a complete repository of its own, with its own objects (never alternates or hard links: a
 * copy that shares a file with the mirror can damage it), its own branch checked out at `baseCommit`, no hooks, no
 * submodules. A copy that has its name is complete and kept; it is built under the name `unfinishedBeside` begins, and
 * renamed. The caller holds the repository lock and has verified that nothing of an earlier try lives. Throws `workspace-unsafe`, `git-failed`,
 * `git-timeout`, `storage-full`, and for uploads what `copyStagedFiles` throws.
 */
export async function prepareWorkspace(
  request: PrepareWorkspaceRequest,
): Promise<{ method: CopyMethod; kept: boolean }> {
  const { workspaceDir, mirrorDir } = request;
  checkOperation(request.op);
  objectFormatOf(request.baseCommit);
  if (!isBranchName(request.branch)) throw fail('bad-name', `"${request.branch}" cannot be a branch`);
  const parent = dirname(workspaceDir);
  await makeDirectory(parent);
  const beside = request.unfinishedBeside ?? workspaceDir;
  await removeLeftovers(dirname(beside), (name) => name.startsWith(`${basename(beside)}.`));
  const method = request.method ?? ((await canReflink(parent)) ? 'reflink' : 'copy');
  if (await exists(workspaceDir)) {
    const unsafe = await checkWorkspace(workspaceDir, mirrorDir);
    if (unsafe !== null) throw fail('workspace-unsafe', unsafe);
    return { method, kept: true };
  }
  failpoint('workspace.before-clone');
  const unfinished = `${beside}.${request.op}`;
  await removeOnFailure(unfinished, async () => {
    await build(unfinished, method, request);
    const { mirrorDir: from, restore: commit, op, signal } = request;
    if (commit !== undefined) await restoreTree({ mirrorDir: from, root: unfinished, commit, op, signal });
    await copyUploads(unfinished, request);
    await syncFileSystem(unfinished, request.op);
    failpoint('workspace.before-rename');
    await renameDurable(unfinished, workspaceDir);
  });
  failpoint('workspace.after-rename');
  return { method, kept: false };
}

async function build(root: string, method: CopyMethod, request: PrepareWorkspaceRequest): Promise<void> {
  const { mirrorDir, op, signal, branch, baseCommit } = request;
  const gitDir = join(root, '.git');
  // Flushed as a whole before the rename; nothing here is worth an fsync of its own.
  const common = { op, signal, config: ['core.fsync=none'] };
  const format = objectFormatOf(baseCommit);
  const init = ['init', '-q', '--template=', `--initial-branch=${branch}`, `--object-format=${format}`, '--', root];
  await safeGit({ ...common, profile: { kind: 'local', gitDir: null }, args: init });
  const own: GitProfile = { kind: 'local', gitDir };
  const seeded = method !== 'clone' && (await copyPacks(mirrorDir, gitDir, method));
  if (seeded) await copyRefs({ kind: 'local', gitDir: mirrorDir }, own, common);
  else await fetchFromMirror(gitDir, request, common);
  const config = join(gitDir, 'config');
  await writeDurable(config, `${(await readFile(config)).toString('utf8')}${localSettings(request)}`);
  await safeGit({
    ...common,
    profile: { kind: 'observe', gitDir, workTree: root, indexFile: join(gitDir, 'index') },
    args: ['checkout', '-q', '--no-recurse-submodules', '-B', branch, baseCommit, '--'],
    timeoutMs: 1_800_000,
  });
}

/** Part of the whole that gets its name by one rename: a workspace has all of its uploads or has no name. */
async function copyUploads(root: string, request: PrepareWorkspaceRequest): Promise<void> {
  const { uploads, mirrorDir, baseCommit, restore } = request;
  if (uploads === undefined || uploads.files.length === 0) return;
  const profile: GitProfile = { kind: 'local', gitDir: mirrorDir };
  const listing = await safeGit({ profile, args: ['ls-tree', '-z', '--full-tree', restore ?? baseCommit, '--'] });
  const entries = listing.stdout
    .toString('utf8')
    .split('\0')
    .filter((entry) => entry !== '');
  const taken = new Map(
    entries.map((entry) => {
      const kind = entry.split(' ')[1] as 'blob' | 'tree' | 'commit';
      return [entry.slice(entry.indexOf('\t') + 1), kind] as const;
    }),
  );
  // Of what was sent a saved tree has what the agent left of it; only ignored files are not in it.
  const files = restore === undefined ? uploads.files : uploads.files.filter(({ name }) => !taken.has(name));
  await copyStagedFiles({ ...uploads, files, root, taken });
}

/** Text for the end of the new repository's configuration. */
function localSettings(request: PrepareWorkspaceRequest): string {
  // An agent's home is empty, and git refuses to commit without a name.
  const user = '[user]\n\tname = Holdfast agent\n\temail = agent@holdfast.invalid\n';
  if (request.sourceUrl === undefined) return user;
  const refspec = '+refs/heads/*:refs/remotes/origin/*';
  const remote = `\turl = ${quoteConfig(request.sourceUrl)}\n\tpushurl = ${NO_PUSH}\n\tfetch = ${refspec}\n`;
  return `${user}[remote "origin"]\n${remote}`;
}

/**
 * Copies the mirror's packs; they hold all of its branches and tags, because fetched objects always stay packed.
 * Returns false when that cannot be relied on: once trees of jobs were saved into the mirror, a fetch may have left out
 * objects it found there.
 */
async function copyPacks(mirrorDir: string, gitDir: string, method: 'reflink' | 'copy'): Promise<boolean> {
  const from = join(mirrorDir, 'objects', 'pack');
  const to = join(gitDir, 'objects', 'pack');
  await mkdir(to, { recursive: true });
  const names = await readdir(from);
  const kept = new Set(names.filter((name) => name.endsWith(KEEP)).map((name) => name.slice(0, -KEEP.length)));
  const share = method === 'reflink';
  for (const name of names) {
    if (!/^pack-[0-9a-f]+\.(pack|idx|rev)$/.test(name) || kept.has(name.slice(0, name.lastIndexOf('.')))) continue;
    await copyNewFile({ from: join(from, name), to: join(to, name), share });
  }
  const shallow = join(mirrorDir, 'shallow');
  if (await exists(shallow)) await copyNewFile({ from: shallow, to: join(gitDir, 'shallow'), share });
  return kept.size === 0;
}

type Common = Pick<GitRequest, 'op' | 'signal' | 'config'>;

async function copyRefs(mirror: GitProfile, own: GitProfile, common: Common): Promise<void> {
  const args = ['for-each-ref', '--format=%(objectname) %(refname)', 'refs/heads/', 'refs/tags/'];
  const { text } = await safeGit({ ...common, profile: mirror, args });
  const lines = text.split('\n').filter((line) => line !== '');
  const commands = lines.map((line) => {
    const space = line.indexOf(' ');
    const ref = line.slice(space + 1).replace(/^refs\/heads\//, 'refs/remotes/origin/');
    return `create ${ref}\0${line.slice(0, space)}\0`;
  });
  await safeGit({ ...common, profile: own, args: ['update-ref', '-z', '--stdin'], input: commands.join('') });
  if (lines.length > MANY_REFS) await safeGit({ ...common, profile: own, args: ['pack-refs', '--all'] });
}

/** Lets git send what is missing; with packs already there it proves that they are complete, or completes them. */
async function fetchFromMirror(gitDir: string, request: PrepareWorkspaceRequest, common: Common): Promise<void> {
  const args = ['fetch', '--quiet', '--no-write-fetch-head', '--no-recurse-submodules', '--no-auto-maintenance'];
  args.push('--update-shallow', '--', request.mirrorDir);
  args.push('+refs/heads/*:refs/remotes/origin/*', '+refs/tags/*:refs/tags/*', request.baseCommit);
  await safeGit({ ...common, profile: { kind: 'path', gitDir, configFile: null }, args });
  await safeGit({ ...common, profile: { kind: 'local', gitDir }, args: ['pack-refs', '--all'] });
}
