import { realpath, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { PageView, RepositoryView } from '../api/contract.ts';
import { fail, isError } from '../kernel/errors.ts';
import { errnoOf } from '../kernel/result.ts';
import type { Context } from './shell.ts';

/** How many names are tried when others took the obvious one. */
const NAMES = 20;

/**
 * Returns the name under which the git repository around the current directory is registered, registering it when it
 * is not. Throws `bad-usage` outside of a repository.
 */
export async function repositoryOfDirectory(context: Context): Promise<string> {
  const root = await requireGitRoot(context);
  const { items } = await context.client.get<PageView<RepositoryView>>('/v1/repositories');
  const known = items.find((repository) => repository.source === root);
  if (known !== undefined) return known.name;
  const name = await register(context, root);
  context.terminal.message(`registered ${root} as "${name}"`);
  return name;
}

/** Returns the git repository around the current directory, without asking a server. Throws `bad-usage` outside of one. */
export async function requireGitRoot({ shell }: Pick<Context, 'shell'>): Promise<string> {
  const root = await findGitRoot(await realpath(shell.cwd));
  if (root !== null) return root;
  throw fail('bad-usage', `${shell.cwd} is not inside a git repository`, {
    hint: 'Name a registered one with --repo, or change into a checkout.',
  });
}

/** Returns the nearest directory from `directory` upwards that holds `.git` (a directory, or a file in a worktree). */
async function findGitRoot(directory: string): Promise<string | null> {
  for (let folder = directory; ; folder = dirname(folder)) {
    try {
      await stat(join(folder, '.git'));
      return folder;
    } catch (error) {
      const errno = errnoOf(error);
      if (errno !== 'ENOENT' && errno !== 'ENOTDIR') throw error;
    }
    if (folder === dirname(folder)) return null;
  }
}

/** Returns a name a server accepts, made of a directory's name. */
function nameOfDirectory(path: string): string {
  const name = basename(path)
    .replaceAll(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(0, 60);
  return name === '' ? 'repository' : name;
}

async function register(context: Context, source: string): Promise<string> {
  const wanted = nameOfDirectory(source);
  for (let n = 1; ; n++) {
    const name = n === 1 ? wanted : `${wanted}-${n}`;
    try {
      await context.client.post<RepositoryView>('/v1/repositories', { name, source });
      return name;
    } catch (error) {
      if (!isError(error, 'already-exists') || n === NAMES) throw error;
    }
  }
}
