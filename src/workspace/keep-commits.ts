/** Commits of an agent, taken into a mirror of ours as data: judged by git first, durable before a ref names them. */
import { join } from 'node:path';
import { removeDurable, syncDirectory } from '../kernel/durable.ts';
import { failpoint } from '../kernel/failpoints.ts';
import { flushRefName } from './flush-ref.ts';
import { safeGit, type GitProfile, type GitResult } from './safe-git.ts';
import { setRef } from './set-ref.ts';

/** Runs git in a repository of ours that sees the objects of the agent. */
export type Git = (
  args: readonly string[],
  more?: { okCodes?: readonly number[]; input?: string; timeoutMs?: number },
) => Promise<GitResult>;

/** Time for histories of any size, milliseconds. */
const PACK_TIMEOUT_MS = 600_000;

/**
 * Packs the commits that are not of the base and lets git judge them as it would those of a stranger: a tree that would
 * write into `.git`, a `.gitmodules` that names a command. Only what passes is ever read as a tree. `refused` says why not.
 */
export async function packCommits(
  git: Git,
  { commit, baseCommit, scratch }: { commit: string; baseCommit: string; scratch: string },
): Promise<{ path: string; refused: string | null }> {
  const args = ['pack-objects', '--quiet', '--revs', join(scratch, 'harvest')];
  const packed = await git(args, {
    input: `${commit}\n^${baseCommit}\n`,
    okCodes: [0, 128],
    timeoutMs: PACK_TIMEOUT_MS,
  });
  if (packed.code !== 0) return { path: '', refused: `git cannot read its commits: ${firstLine(packed.stderr)}` };
  const path = join(scratch, `harvest-${packed.text}.pack`);
  const judge = ['index-pack', '--strict', '-o', join(scratch, `judged-${packed.text}.idx`), path];
  const { code, stderr } = await git(judge, { okCodes: [0, 128], timeoutMs: PACK_TIMEOUT_MS });
  return { path, refused: code === 0 ? null : `git refuses its commits: ${firstLine(stderr)}` };
}

function firstLine(text: string): string {
  return text.trim().split('\n')[0] ?? '';
}

/** Puts packed commits into the mirror under a ref nobody else writes. Can be repeated. */
export async function keepCommit(
  request: {
    mirrorDir: string;
    ref: string;
    /** For the reflog. */
    message: string;
    op?: string | undefined;
    signal?: AbortSignal | undefined;
  },
  { commit, packFile }: { commit: string; packFile: string },
): Promise<void> {
  const { mirrorDir, ref, message, op, signal } = request;
  const common = { profile: { kind: 'local', gitDir: mirrorDir } satisfies GitProfile, op, signal };
  const before = await safeGit({ ...common, args: ['for-each-ref', '--format=%(objectname)', '--', ref] });
  // Whoever set it may have been killed before it could flush the name.
  if (before.text === commit) return flushRefName(mirrorDir, ref);
  const unpack = ['index-pack', '--stdin', `--keep=${ref}`];
  await safeGit({ ...common, args: unpack, inputFile: packFile, timeoutMs: PACK_TIMEOUT_MS });
  failpoint('workspace.before-harvest-ref');
  // Nobody else writes this ref, and whoever wrote it before is verified dead.
  await removeDurable(join(mirrorDir, `${ref}.lock`));
  await syncDirectory(join(mirrorDir, 'objects', 'pack'));
  await setRef({ mirrorDir, ref, commit, message, op, signal });
  failpoint('workspace.after-harvest-ref');
}
