import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { writeDurable, makeDirectory } from '../kernel/durable.ts';
import { errnoOf } from '../kernel/result.ts';
import { objectFormatOf, safeGit } from './safe-git.ts';
import { makeScratch, removeScratch } from './scratch.ts';

/** How long the check of one repository may take unless told otherwise, milliseconds: a large one needs minutes. */
const FSCK_TIMEOUT_MS = 300_000;
/** Lines of git that are kept: each names an object; the rest is counted. */
const MAX_NAMED = 20;
/** `git fsck` answers with the sum of what it found; 128 when damage stops it. */
const FSCK_CODES = [...Array.from({ length: 32 }, (_, code) => code), 128];

export interface CheckOptions {
  timeoutMs?: number;
  op?: string;
  signal?: AbortSignal;
  /** False where commits, trees and names are to be read, and of files only whether they are there. */
  contents?: boolean;
}

/**
 * Returns what is wrong with the objects of a mirror, one line for each damaged or missing object; empty when every
 * object is whole and everything its refs need is there. Reads only. Throws `git-timeout`.
 */
export function checkMirrorObjects(mirrorDir: string, options: CheckOptions = {}): Promise<string[]> {
  return fsck(mirrorDir, [], options);
}

/**
 * Returns the same for a workspace, whose `.git` an agent could write: its objects are read through a repository of ours,
 * so that none of its settings count. Needed are its base commit and what its HEAD names. The caller has looked at it
 * with `checkWorkspace`. Throws `git-timeout`.
 */
export async function checkWorkspaceObjects(
  workspace: { directory: string; mirrorDir: string; baseCommit: string },
  options: CheckOptions = {},
): Promise<string[]> {
  const { directory, mirrorDir, baseCommit } = workspace;
  const scratch = await makeScratch(dirname(mirrorDir));
  try {
    const gitDir = join(scratch, 'check.git');
    const format = objectFormatOf(baseCommit);
    const init = ['init', '-q', '--bare', '--template=', `--object-format=${format}`, '--', gitDir];
    await safeGit({ profile: { kind: 'local', gitDir: null }, args: init });
    await makeDirectory(join(gitDir, 'objects', 'info'));
    await writeDurable(join(gitDir, 'objects', 'info', 'alternates'), `${join(directory, '.git', 'objects')}\n`);
    const head = await readHead(join(directory, '.git'));
    return await fsck(gitDir, head === null ? [baseCommit] : [baseCommit, head], options);
  } finally {
    await removeScratch(scratch);
  }
}

async function fsck(gitDir: string, heads: readonly string[], options: CheckOptions): Promise<string[]> {
  const { timeoutMs = FSCK_TIMEOUT_MS, op, signal, contents = true } = options;
  const { code, text, stderr } = await safeGit({
    profile: { kind: 'local', gitDir },
    args: [
      'fsck',
      contents ? '--full' : '--connectivity-only',
      '--no-dangling',
      '--no-reflogs',
      '--no-progress',
      ...heads,
    ],
    okCodes: FSCK_CODES,
    timeoutMs,
    op,
    signal,
  });
  if (code === 0) return [];
  const lines = [...new Set(`${stderr}\n${text}`.split('\n').map((line) => line.trim()))].filter(isFault);
  if (lines.length === 0) return [`git fsck ended with code ${code}`];
  const left = lines.length - MAX_NAMED;
  return left > 0 ? [...lines.slice(0, MAX_NAMED), `and ${left} more`] : lines;
}

/** Returns how many bytes the objects of a repository of ours take. */
export async function measureObjects(gitDir: string, signal?: AbortSignal): Promise<number> {
  const { text } = await safeGit({ profile: { kind: 'local', gitDir }, args: ['count-objects', '-v'], signal });
  const sizes = [...text.matchAll(/^(?:size|size-pack): (\d+)$/gm)].map(([, kib]) => Number(kib) * 1024);
  return sizes.reduce((sum, one) => sum + one, 0);
}

/** Warnings are about style, notices about branches that are not born yet. */
function isFault(line: string): boolean {
  return line !== '' && !/^(warning|notice|hint|Checking )/.test(line);
}

/** Returns the commit a `.git` stands on, read without git; null where it cannot be told. */
async function readHead(git: string): Promise<string | null> {
  const head = (await readText(join(git, 'HEAD')))?.trim() ?? '';
  const ref = /^ref: (refs\/heads\/[\w./-]+)$/.exec(head)?.[1];
  if (ref === undefined) return asObject(head);
  if (ref.split('/').includes('..')) return null;
  const loose = asObject((await readText(join(git, ref)))?.trim() ?? '');
  if (loose !== null) return loose;
  const packed = (await readText(join(git, 'packed-refs')))?.split('\n').find((line) => line.endsWith(` ${ref}`));
  return asObject(packed?.split(' ')[0] ?? '');
}

function asObject(text: string): string | null {
  return /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(text) ? text : null;
}

async function readText(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOENT' || errno === 'ENOTDIR' || errno === 'EISDIR') return null;
    throw error;
  }
}
