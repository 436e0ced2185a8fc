/**
 * Files sent for a job wait in its staging directory until its workspace is made. Each lies at `<sha256>/<name>`, so that
 * a new version never takes the place of one that is recorded, and a name recorded twice costs its bytes once.
 */
import { lstat, rmdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { makeDirectory, removeDurable, renameDurable, tempBeside, writeStream } from '../kernel/durable.ts';
import { fail } from '../kernel/errors.ts';
import { failpoint } from '../kernel/failpoints.ts';
import { errnoOf } from '../kernel/result.ts';
import type { JobFile } from '../lifecycle/job-file.ts';
import { removeTree } from './remove-tree.ts';
import { safeOpen } from './safe-open.ts';

/** Mode of an upload in a workspace: that of any new file there. */
const WORKSPACE_FILE_MODE = 0o644;

/** What names a staged file. */
export type StagedName = Pick<JobFile, 'sha256' | 'name'>;

/** A received file that has no name yet. */
export interface ReceivedFile {
  temp: string;
  sha256: string;
  size: number;
}

/** Makes a directory of ours, and refuses one that was put there as something else (S27). */
async function makeOwnDirectory(path: string): Promise<void> {
  await makeDirectory(path);
  if (!(await lstat(path)).isDirectory()) throw fail('workspace-unsafe', `${path} is not a directory of ours`);
}

/**
 * Writes a stream into a temporary file of the staging directory, flushed; `check` is given the size so far and throws to
 * end it. Nothing is left of what did not arrive whole.
 */
export async function receiveFile(request: {
  stagingDir: string;
  source: AsyncIterable<Uint8Array>;
  check: (size: number) => void;
}): Promise<ReceivedFile> {
  await makeOwnDirectory(dirname(request.stagingDir));
  await makeOwnDirectory(request.stagingDir);
  const temp = tempBeside(join(request.stagingDir, 'upload'));
  return { temp, ...(await writeStream(temp, request.source, { check: request.check })) };
}

/** Gives a received file its place, durably; it is not recorded yet. Can be repeated. */
export async function publishFile(stagingDir: string, received: ReceivedFile, name: string): Promise<void> {
  const directory = join(stagingDir, received.sha256);
  await makeOwnDirectory(directory);
  failpoint('upload.before-rename');
  await renameDurable(received.temp, join(directory, name));
  failpoint('upload.after-rename');
}

/** Removes a received file that is not wanted after all. */
export async function dropReceived(received: ReceivedFile): Promise<void> {
  await removeDurable(received.temp);
}

/** Removes a staged file; fine when it is gone. The caller knows that no record names it. */
export async function unstageFile(stagingDir: string, file: StagedName): Promise<void> {
  const directory = join(stagingDir, file.sha256);
  await removeDurable(join(directory, file.name));
  try {
    await rmdir(directory);
  } catch (error) {
    // The same content under another name.
    if (!['ENOENT', 'ENOTEMPTY', 'EEXIST'].includes(errnoOf(error) ?? '')) throw error;
  }
}

/**
 * Copies staged files into `root`, a workspace that has no name yet: its own flush makes them durable. `taken` are the
 * names at the top of the repository: one of them is replaced only where its sender said so (`overwrite`), and never a
 * directory. Throws `upload-conflict`; `record-corrupt` when a file is not there or is not what was sent;
 * `workspace-unsafe` when something else was put in its place.
 */
export async function copyStagedFiles(request: {
  stagingDir: string;
  files: readonly JobFile[];
  root: string;
  taken: ReadonlyMap<string, 'blob' | 'tree' | 'commit'>;
}): Promise<void> {
  const { stagingDir, files, root, taken } = request;
  const clash = files.find((file) => {
    const kind = taken.get(file.name);
    return kind !== undefined && (kind !== 'blob' || !file.overwrite);
  });
  if (clash !== undefined) {
    const kind = taken.get(clash.name) === 'blob' ? 'file' : 'directory';
    throw fail('upload-conflict', `the repository has a ${kind} ${JSON.stringify(clash.name)} of its own`);
  }
  for (const file of files) {
    failpoint('upload.before-copy');
    if (taken.has(file.name)) await removeTree(join(root, file.name));
    await copyStagedFile(stagingDir, file, join(root, file.name));
    failpoint('upload.after-copy');
  }
}

async function copyStagedFile(stagingDir: string, file: JobFile, to: string): Promise<void> {
  const jobDir = dirname(stagingDir);
  const relative = [basename(jobDir), basename(stagingDir), file.sha256, file.name].join('/');
  const what = `the file ${JSON.stringify(file.name)} that was sent for the job`;
  const handle = await safeOpen(dirname(jobDir), relative).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') throw fail('record-corrupt', `${what} is missing`, { cause: error });
    throw error;
  });
  try {
    const written = await writeStream(to, handle.createReadStream({ autoClose: false }), {
      check: () => undefined,
      mode: WORKSPACE_FILE_MODE,
    });
    if (written.sha256 !== file.sha256 || written.size !== file.size) {
      throw fail('record-corrupt', `${what} is not what was sent: sha256 ${written.sha256}, not ${file.sha256}`);
    }
  } finally {
    await handle.close();
  }
}
