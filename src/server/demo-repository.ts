import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { writeDurable } from '../kernel/durable.ts';
import { configureGit, safeGit, type GitProfile } from '../workspace/safe-git.ts';

const FILES: Record<string, string> = {
  'README.md': '# Greetings\n\nA small program that greets people.\n',
  'greet.sh': '#!/bin/sh\necho "Hello, ${1:-world}."\n',
};

/** Makes a small git repository with one commit at `directory`, which must not exist. `path` is where git is found. */
export async function createDemoRepository(directory: string, path: string | undefined): Promise<void> {
  if (path !== undefined && path !== '') configureGit({ path });
  await mkdir(directory, { mode: 0o700 });
  const init = ['init', '-q', '--template=', '--initial-branch=main', '--', directory];
  await safeGit({ profile: { kind: 'local', gitDir: null }, args: init });
  for (const [name, content] of Object.entries(FILES)) await writeDurable(join(directory, name), content);
  const gitDir = join(directory, '.git');
  const profile: GitProfile = { kind: 'observe', gitDir, workTree: directory, indexFile: join(gitDir, 'index') };
  await safeGit({ profile, args: ['add', '--all'] });
  const config = ['user.name=Holdfast demo', 'user.email=demo@holdfast.invalid'];
  await safeGit({ profile, config, args: ['commit', '-q', '-m', 'Greet people'] });
}
