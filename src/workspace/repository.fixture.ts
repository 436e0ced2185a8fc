/** Real repositories for the tests of this room; every directory is removed by `await using`. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { prepareWorkspace } from './prepare-workspace.ts';
import { updateMirror } from './mirror.ts';

/** A directory of one test. */
export interface Place extends AsyncDisposable {
  readonly root: string;
  path(...parts: string[]): string;
}

/** Makes an empty directory that is gone when its scope ends. */
export function makePlace(): Place {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'holdfast-workspace-')));
  return {
    root,
    path: (...parts) => join(root, ...parts),
    [Symbol.asyncDispose]: () => {
      rmSync(root, { recursive: true, force: true, maxRetries: 5 });
      return Promise.resolve();
    },
  };
}

/** Runs git as anybody would, hooks, filters and all, and returns its stdout; throws when it fails. */
export function plainGit(cwd: string, ...args: string[]): string {
  const result = runPlain(cwd, ['git', ...args]);
  if (result.status !== 0) throw new Error(`git ${args.join(' ')}: ${result.stderr}`);
  return result.stdout;
}

/** Runs a program as anybody would, and returns how it ended. */
export function runPlain(
  cwd: string,
  argv: readonly string[],
): { status: number | null; stdout: string; stderr: string } {
  const [command = '', ...args] = argv;
  const person = { NAME: 'Test', EMAIL: 'test@example.invalid' };
  const result = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    env: {
      PATH: process.env['PATH'] ?? '',
      HOME: cwd,
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_AUTHOR_NAME: person.NAME,
      GIT_AUTHOR_EMAIL: person.EMAIL,
      GIT_COMMITTER_NAME: person.NAME,
      GIT_COMMITTER_EMAIL: person.EMAIL,
    },
  });
  if (result.error !== undefined) throw result.error;
  return result;
}

/** Writes files below `root`, directories included. */
export function writeFiles(root: string, files: Record<string, string>): void {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), content);
  }
}

/** Makes a repository on branch `main` with one commit of `files` and returns that commit. */
export function makeRepository(path: string, files: Record<string, string> = { 'README.md': '# test\n' }): string {
  mkdirSync(path, { recursive: true });
  plainGit(path, 'init', '-q', '-b', 'main');
  return commitFiles(path, files);
}

/** Commits `files` and returns the commit. */
export function commitFiles(path: string, files: Record<string, string>): string {
  writeFiles(path, files);
  plainGit(path, 'add', '-A');
  plainGit(path, 'commit', '-q', '--allow-empty', '-m', 'change');
  return plainGit(path, 'rev-parse', 'HEAD').trim();
}

/** A registered repository with its mirror and one prepared workspace. */
export interface World {
  source: string;
  mirrorDir: string;
  workspaceDir: string;
  base: string;
}

/** Makes source, mirror and workspace below `place`. */
export async function makeWorld(place: Place, files?: Record<string, string>): Promise<World> {
  const source = place.path('source');
  const base = makeRepository(source, files);
  const mirrorDir = place.path('repos', 'r', 'mirror.git');
  const workspaceDir = place.path('jobs', 'j', 'workspace');
  await updateMirror({ mirrorDir, source, sourceKind: 'path', op: 'op_1', base: 'main' });
  await prepareWorkspace({ mirrorDir, workspaceDir, baseCommit: base, branch: 'holdfast/job-1', op: 'op_2' });
  return { source, mirrorDir, workspaceDir, base };
}

/** Returns the paths of all files below `root`, relative to it. */
export function listFiles(root: string): string[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((name) => statSync(join(root, name)).isFile())
    .toSorted();
}
