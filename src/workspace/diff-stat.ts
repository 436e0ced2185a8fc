import { safeGit } from './safe-git.ts';

/** What changed between two commits, as counts. */
export interface DiffStat {
  commits: number;
  /** Lines added and removed by file, the first `MAX_FILES`; null for binary ones. */
  files: { path: string; added: number | null; removed: number | null }[];
}

const MAX_FILES = 500;

/** Returns how `to` differs from `from`, which it stands on; both are in the mirror. Throws `git-failed`, `git-timeout`. */
export async function statDiff(request: {
  mirrorDir: string;
  from: string;
  to: string;
  op: string;
  signal?: AbortSignal | undefined;
}): Promise<DiffStat> {
  const { mirrorDir, from, to, op, signal } = request;
  const profile = { kind: 'local' as const, gitDir: mirrorDir };
  const args = [
    'diff',
    '--numstat',
    '-z',
    '--no-renames',
    '--no-ext-diff',
    '--no-textconv',
    '--ignore-submodules=none',
  ];
  const stat = await safeGit({ profile, args: [...args, '--end-of-options', from, to, '--'], op, signal });
  const counted = await safeGit({ profile, args: ['rev-list', '--count', `${from}..${to}`, '--'], op, signal });
  const lines = stat.stdout
    .toString('utf8')
    .split('\0')
    .filter((line) => line !== '');
  return {
    commits: Number(counted.text),
    files: lines.slice(0, MAX_FILES).map((line) => {
      const [added = '-', removed = '-', ...path] = line.split('\t');
      return { path: path.join('\t'), added: toCount(added), removed: toCount(removed) };
    }),
  };
}

function toCount(text: string): number | null {
  return text === '-' ? null : Number(text);
}
