import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import type { Command } from 'commander';
import type { JobView, RepositoryView } from '../../api/contract.ts';
import { writeStream } from '../../kernel/durable.ts';
import { fail } from '../../kernel/errors.ts';
import type { Call, Runtime } from '../command.ts';
import { getJob, jobPath } from '../references.ts';
import { cleanLine } from '../sanitise.ts';
import type { Context } from '../shell.ts';

/** Adds `checkout` and `apply`: how the work of a job comes to whoever takes it up. Both ask the server, never the home. */
export function registerCheckout(program: Command, runtime: Runtime): void {
  const checkout = program
    .command('checkout')
    .summary('get the branch of a job as a repository of its own')
    .description(
      'Make a new repository with the branch of a job checked out: in DIR, else in a directory named after the branch.\n' +
        'No other repository is touched; `git fetch DIR BRANCH` brings the branch into yours.',
    )
    .argument('<job>')
    .argument('[dir]', 'new or empty directory');
  runtime.handle(checkout, checkOutJob);
  const apply = program
    .command('apply')
    .summary('apply the patch of a job to the work tree here')
    .description(
      'Apply what a job changed to the git work tree around the current directory: staged, not committed.\n' +
        'All of it or nothing: refused where you have uncommitted changes, or where it does not fit.',
    )
    .argument('<job>');
  runtime.handle(apply, applyJob);
}

async function checkOutJob(call: Call): Promise<void> {
  const { client, terminal, shell } = call;
  const [reference = '', directory] = call.args;
  const job = await getJob(call, reference);
  const { checkOutBundle } = await import('../../workspace/check-out.ts');
  const repository = await client.get<RepositoryView>(`/v1/repositories/${encodeURIComponent(job.repository)}`);
  const done = await inScratch(async (scratch) => {
    const response = await client.send({ path: jobPath(job.id, '/bundle'), headers: ANY, timeoutMs: null });
    const bundle = join(scratch, 'job.bundle');
    if (response.body === null) throw fail('server-unreachable', 'the answer was empty');
    const source = Readable.fromWeb(response.body as ReadableStream<Uint8Array>);
    await writeStream(bundle, source, { check: () => undefined, flush: false });
    const shallow = (response.headers.get('holdfast-shallow') ?? '').split(' ').filter((oid) => oid !== '');
    return checkOutBundle({
      bundle,
      directory: directory === undefined ? null : resolve(shell.cwd, directory),
      parent: shell.cwd,
      shallow,
      origin: repository.source,
      signal: shell.interrupted,
    });
  });
  if (terminal.json) return terminal.document({ job: job.number, id: job.id, ...done });
  await terminal.data(`${done.directory}\n`);
  warnUnproven(call, job);
  terminal.message(
    `job ${job.number}: branch ${done.branch} at ${done.commit.slice(0, 12)}\n→ into a repository of yours: git fetch ${quote(done.directory)} ${done.branch}:${done.branch}`,
  );
}

async function applyJob(call: Call): Promise<void> {
  const { client, terminal, shell } = call;
  const [reference = ''] = call.args;
  const job = await getJob(call, reference);
  const { applyPatch } = await import('../../workspace/apply-patch.ts');
  const response = await client.send({ path: jobPath(job.id, '/patch'), headers: ANY });
  const patch = new Uint8Array(await response.arrayBuffer());
  const { top, branch, files } = await inScratch((scratch) =>
    applyPatch({ directory: shell.cwd, patch, scratch, signal: shell.interrupted }),
  );
  if (terminal.json) return terminal.document({ job: job.number, id: job.id, directory: top, branch, files });
  warnUnproven(call, job);
  if (files.length === 0) return terminal.message(`${top} has everything of job ${job.number} already`);
  await terminal.data(files.map(({ status, path }) => `${status} ${cleanLine(path)}\n`).join(''));
  const where = branch === null ? 'a detached HEAD' : cleanLine(branch);
  terminal.message(
    `job ${job.number} is applied to ${top} (${where}): ${files.length === 1 ? '1 file' : `${files.length} files`} staged, nothing committed\n→ git diff --cached, then git commit; to take it back: git reset --hard`,
  );
}

const ANY = { accept: '*/*' };

/** Its directory is gone when the call has ended, however it ended. */
async function inScratch<T>(act: (scratch: string) => Promise<T>): Promise<T> {
  const scratch = await mkdtemp(join(tmpdir(), 'holdfast-'));
  try {
    return await act(scratch);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Work of a job that did not come to its end has passed nothing. */
function warnUnproven({ terminal }: Pick<Context, 'terminal'>, job: JobView): void {
  if (job.state === 'ready' || job.state === 'completed') return;
  const why = job.reason === null ? '' : ` (${cleanLine(job.reason)})`;
  terminal.message(`job ${job.number} is ${job.state}${why}: this work was not accepted by its gates`);
}

/** A path as a shell takes it. */
function quote(path: string): string {
  return /^[\w./-]+$/.test(path) ? cleanLine(path) : `'${cleanLine(path).replaceAll("'", `'\\''`)}'`;
}
