import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Runs plain git in a test's own directory, with nothing of the machine's configuration. Returns its stdout. */
export async function git(cwd: string, ...args: string[]): Promise<string> {
  const { stdout } = await run('git', args, {
    cwd,
    env: {
      PATH: process.env['PATH'] ?? '',
      HOME: cwd,
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_AUTHOR_NAME: 'Test',
      GIT_AUTHOR_EMAIL: 'test@example.invalid',
      GIT_COMMITTER_NAME: 'Test',
      GIT_COMMITTER_EMAIL: 'test@example.invalid',
    },
    maxBuffer: 64 * 2 ** 20,
  });
  return stdout;
}

/** Makes a real repository with one commit on `main` at `path` and returns the path. */
export async function createRepository(
  path: string,
  files: Record<string, string> = { 'README.md': '# test\n' },
): Promise<string> {
  await mkdir(path, { recursive: true });
  await git(path, 'init', '-q', '-b', 'main');
  for (const [name, content] of Object.entries(files)) await writeFile(join(path, name), content);
  await git(path, 'add', '-A');
  await git(path, 'commit', '-q', '-m', 'first');
  return path;
}
