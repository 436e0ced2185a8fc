import { join } from 'node:path';
import { makeDirectory, writeDurable } from '../kernel/durable.ts';
import { objectFormatOf, safeGit } from './safe-git.ts';

/** Makes an empty bare repository of ours at `gitDir` that sees the objects in `stores` (object directories); returns it. */
export async function makeScratchRepository(request: {
  gitDir: string;
  stores: readonly string[];
  /** Any commit it will hold: tells the form of its ids. */
  like: string;
  op?: string | undefined;
  signal?: AbortSignal | undefined;
}): Promise<string> {
  const { gitDir, stores, op, signal } = request;
  const format = objectFormatOf(request.like);
  const init = ['init', '-q', '--bare', '--template=', `--object-format=${format}`, '--', gitDir];
  await safeGit({ profile: { kind: 'local', gitDir: null }, args: init, op, signal });
  await makeDirectory(join(gitDir, 'objects', 'info'));
  await writeDurable(join(gitDir, 'objects', 'info', 'alternates'), stores.map((path) => `${path}\n`).join(''));
  return gitDir;
}
