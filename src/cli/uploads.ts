import { openAsBlob, type Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import type { JobFileView, JobView, PageView } from '../api/contract.ts';
import { fail, isError, type HoldfastError } from '../kernel/errors.ts';
import { errnoOf, messageOf } from '../kernel/result.ts';
import { faultOfFileName } from '../lifecycle/job-file.ts';
import { jobPath } from './references.ts';
import { cleanLine } from './sanitise.ts';
import type { Context } from './shell.ts';

/** A local file on its way to a job. */
export interface Upload {
  path: string;
  name: string;
  content: Blob;
}

/**
 * Opens the files of `--file` before anything is submitted, so that a wrong path makes no job. Throws `bad-usage`,
 * `bad-file-name`.
 */
export async function openUploads(paths: readonly string[], cwd: string): Promise<Upload[]> {
  const uploads: Upload[] = [];
  for (const given of paths) {
    const path = resolve(cwd, given);
    const name = basename(path);
    // Only the root has no name: that it is a directory says more.
    const fault = name === '' ? null : faultOfFileName(name);
    if (fault !== null) throw fail('bad-file-name', `${JSON.stringify(name)} ${fault}`);
    if (uploads.some((one) => one.name === name))
      throw fail('bad-usage', `two files are named ${JSON.stringify(name)}`);
    uploads.push({ path, name, content: await openFile(path, given) });
  }
  return uploads;
}

async function openFile(path: string, given: string): Promise<Blob> {
  const refuse = (what: string, todo: string, cause?: unknown): HoldfastError =>
    fail('bad-usage', `--file ${given} ${what}`, { hint: `${todo}; nothing was submitted.`, cause });
  let stats: Stats;
  try {
    stats = await stat(path);
    if (stats.isFile()) return await openAsBlob(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') throw refuse('does not exist', 'Name a file that is there', error);
    throw refuse(`cannot be read: ${messageOf(error)}`, 'Name a file you may read', error);
  }
  if (stats.isDirectory()) throw refuse('is a directory', 'Name its files one by one, or pack them into one file');
  throw refuse('is not a regular file', 'Name a regular file');
}

/**
 * Sends files to a held job and then starts it, unless it is to stay held. A repeated submission finds what the first one
 * has sent. What fails leaves the job held: nothing starts without its files.
 */
export async function sendUploads(
  context: Context,
  work: { job: JobView; uploads: readonly Upload[]; overwrite: boolean; start: boolean },
): Promise<JobView> {
  const { client, terminal } = context;
  const { job, uploads, overwrite, start } = work;
  if (job.state !== 'created') return checkSent(context, job, uploads);
  try {
    for (const { name, content } of uploads) {
      const path = jobPath(job.id, `/files/${encodeURIComponent(name)}`);
      const file = await client.call<JobFileView>({
        method: 'PUT',
        path,
        query: { overwrite },
        content,
        timeoutMs: null,
      });
      terminal.detail(`sent ${cleanLine(name)}: ${file.size} bytes, sha256 ${file.sha256}`);
    }
    return start ? await client.post<JobView>(jobPath(job.id, '/start')) : job;
  } catch (error) {
    if (!isError(error)) throw error;
    throw fail(error.code, `${error.detail}; job ${job.number} is held`, {
      hint: `${error.hint} Or give the job up: holdfast cancel ${job.number}`,
      cause: error,
    });
  }
}

/** A submission with a known key whose job has left `created`: its files were settled then. */
async function checkSent(context: Context, job: JobView, uploads: readonly Upload[]): Promise<JobView> {
  const sent = await context.client.get<PageView<JobFileView>>(jobPath(job.id, '/files'));
  const missing = uploads.find(({ name, content }) =>
    sent.items.every((file) => file.name !== name || file.size !== content.size),
  );
  if (missing === undefined) return job;
  throw fail('state-conflict', `job ${job.number} is ${job.state} and was started without ${cleanLine(missing.name)}`);
}
