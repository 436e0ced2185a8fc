/** Saves what lies in a workspace nobody knows, before it goes: into whichever mirror it was made from. */
import { join } from 'node:path';
import { fail } from '../kernel/errors.ts';
import { errnoOf } from '../kernel/result.ts';
import { checkWorkspace } from './check-workspace.ts';
import { keepStrays } from './keep-strays.ts';
import { saveTree } from './observe.ts';
import { inTurnWithPackedRefs, PACKED_REFS } from './packed-refs.ts';
import { exists, listNames } from './remove-tree.ts';
import { safeGit } from './safe-git.ts';
import { safeOpen } from './safe-open.ts';

/** Enough for the refs of a large repository. */
const MAX_REFS_BYTES = 16 * 2 ** 20;
/** Commits of the workspace that are looked for in a mirror at most. */
const MAX_CANDIDATES = 200;

export interface RescueRequest {
  workspaceDir: string;
  /** Mirrors it may have been made from. */
  mirrors: readonly string[];
  /** `refs/holdfast/<job>/<name>`; trees of several repositories get a number behind it. */
  ref: string;
  message: string;
  op: string;
}

/**
 * Saves every tree of the workspace on a ref and returns the refs; none when there is no repository in it. Throws
 * `workspace-unsafe` when a tree cannot be trusted or no mirror has a commit it was made from: then nothing may be
 * removed.
 */
export async function rescueWorkspace(request: RescueRequest): Promise<string[]> {
  const saved: string[] = [];
  let trees = 0;
  for (const tree of await listTrees(request.workspaceDir)) {
    const made = await findOrigin(tree, request.mirrors);
    const unsafe =
      made === null
        ? 'no registered repository has a commit it was made from'
        : await checkWorkspace(tree, made.mirrorDir);
    if (made === null || unsafe !== null) throw fail('workspace-unsafe', `${tree}: ${unsafe ?? ''}`);
    trees += 1;
    const ref = trees === 1 ? request.ref : `${request.ref}-${trees}`;
    const { message, op } = request;
    await saveTree({ ...made, workspaceDir: tree, ref, message, op, takeover: true });
    saved.push(ref, ...(await rescueStrays(request, { tree, made, folder: `${ref}-strays` })));
  }
  return saved;
}

async function rescueStrays(
  { op }: RescueRequest,
  { tree, made, folder }: { tree: string; made: { mirrorDir: string; parent: string }; folder: string },
): Promise<string[]> {
  const { mirrorDir, parent: baseCommit } = made;
  const kept = await keepStrays({ mirrorDir, workspaceDir: tree, baseCommit, folder, op });
  const lost = kept.find(({ ref }) => ref === null);
  if (lost !== undefined) throw fail('workspace-unsafe', `${tree}: ${lost.name}: ${String(lost.why)}`);
  return kept.flatMap(({ ref }) => (ref === null ? [] : [ref]));
}

/** The workspace itself, or, of a job of several repositories, the directories in it. */
async function listTrees(workspaceDir: string): Promise<string[]> {
  if (await exists(join(workspaceDir, '.git'))) return [workspaceDir];
  const trees: string[] = [];
  for (const name of await listNames(workspaceDir)) {
    if (await exists(join(workspaceDir, name, '.git'))) trees.push(join(workspaceDir, name));
  }
  return trees;
}

/** The mirror that has a commit of one of the branches the workspace was made with. Its own `.git` is read as text only. */
async function findOrigin(
  tree: string,
  mirrors: readonly string[],
): Promise<{ mirrorDir: string; parent: string } | null> {
  const commits = (await listOriginCommits(tree)).slice(0, MAX_CANDIDATES);
  for (const mirrorDir of mirrors) {
    for (const parent of commits) {
      const args = ['cat-file', '-e', `${parent}^{commit}`];
      const found = await safeGit({ profile: { kind: 'local', gitDir: mirrorDir }, args, okCodes: [0, 1, 128] });
      if (found.code === 0) return { mirrorDir, parent };
    }
  }
  return null;
}

async function listOriginCommits(tree: string): Promise<string[]> {
  const commits = new Set<string>();
  const folder = '.git/refs/remotes/origin';
  for (const name of await listNames(join(tree, folder)).catch(() => [])) {
    const text = await readText(tree, `${folder}/${name}`);
    if (/^[0-9a-f]{40,64}$/.test(text.trim())) commits.add(text.trim());
  }
  const packed = await readText(tree, '.git/packed-refs');
  for (const [, commit = ''] of packed.matchAll(/^([0-9a-f]{40,64}) refs\/remotes\/origin\//gm)) commits.add(commit);
  return [...commits];
}

/** Text of a plain file that lies in the tree; empty when it is anything else. */
async function readText(tree: string, path: string): Promise<string> {
  try {
    await using file = await safeOpen(tree, path);
    if ((await file.stat()).size > MAX_REFS_BYTES) return '';
    return (await file.readFile()).toString('latin1');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === null) return '';
    throw error;
  }
}

/** Deletes every ref below `prefix` (`refs/holdfast/<job>`) in a mirror; returns their names. */
export async function deleteRefs(mirrorDir: string, prefix: string, op: string): Promise<string[]> {
  if (!/^refs\/holdfast\/[A-Za-z0-9_-]+$/.test(prefix)) throw fail('internal', `${prefix} is not ours`);
  const profile = { kind: 'local', gitDir: mirrorDir } as const;
  const { text } = await safeGit({ profile, args: ['for-each-ref', '--format=%(refname)', '--', `${prefix}/`] });
  const refs = text.split('\n').filter((name) => name !== '');
  const input = refs.map((ref) => `delete ${ref}\0\0`).join('');
  const git = { profile, args: ['update-ref', '-z', '--stdin'], config: [PACKED_REFS], input, op };
  if (refs.length > 0) await inTurnWithPackedRefs(mirrorDir, () => safeGit(git));
  return refs;
}
