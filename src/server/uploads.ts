import type { IncomingFile, Services } from '../api/services.ts';
import type { AttemptContext } from '../attempts/context.ts';
import { fail } from '../kernel/errors.ts';
import { failpoint } from '../kernel/failpoints.ts';
import type { Job } from '../lifecycle/job.ts';
import { faultOfFileName, type JobFile, type UploadLimits } from '../lifecycle/job-file.ts';
import { removeTree } from '../workspace/remove-tree.ts';
import { dropReceived, publishFile, receiveFile, unstageFile, type ReceivedFile } from '../workspace/staging.ts';

export type Uploads = Pick<Services, 'receiveFile' | 'dropFile'>;

/**
 * Returns what takes the files of a held job: the bytes are durable under their hash before the row names them, and
 * leave only when no row does. Moves of one job's files are made one after another.
 */
export function createUploads(ctx: AttemptContext, limits: UploadLimits): Uploads {
  return {
    async receiveFile(job, incoming, actor) {
      checkRequest(job, incoming, limits);
      const received = await receiveFile({
        stagingDir: ctx.home.staging(job.id),
        source: incoming.source,
        check: (size) => checkSize(size, limits),
      });
      return ctx.jobFiles.run(job.id, () =>
        keepFile(ctx, { job, name: incoming.name, overwrite: incoming.overwrite, received, actor, limits }),
      );
    },
    dropFile: (job, name, actor) =>
      ctx.jobFiles.run(job.id, async () => {
        const file = await ctx.store.dropJobFile({ jobId: job.id, name, actor });
        await unstageFile(ctx.home.staging(job.id), file);
      }),
  };
}

/** Before a byte is read. */
function checkRequest(job: Job, incoming: IncomingFile, limits: UploadLimits): void {
  const fault = faultOfFileName(incoming.name);
  if (fault !== null) throw fail('bad-file-name', `${JSON.stringify(incoming.name)} ${fault}`);
  if (job.state !== 'created') {
    throw fail('state-conflict', `job ${job.number} is ${job.state}; files are taken while it is created`, {
      hint: 'Submit a new job on hold, send the files, then start it.',
    });
  }
  if (incoming.declaredBytes !== null) checkSize(incoming.declaredBytes, limits);
}

function checkSize(size: number, limits: UploadLimits): void {
  if (size <= limits.perFile) return;
  throw fail('payload-too-large', `the file is larger than ${limits.perFile} bytes`, {
    hint: 'Send less, or raise limits.uploadBytes in holdfast.config.json.',
  });
}

interface Keeping {
  job: Job;
  name: string;
  overwrite: boolean;
  received: ReceivedFile;
  actor: string;
  limits: UploadLimits;
}

/** Place, record, and only then let go of what the record named before. */
async function keepFile(
  ctx: AttemptContext,
  { job, name, overwrite, received, actor, limits }: Keeping,
): Promise<{ file: JobFile; created: boolean }> {
  const stagingDir = ctx.home.staging(job.id);
  const { sha256, size } = received;
  try {
    await publishFile(stagingDir, received, name);
    const { perJob } = limits;
    const recorded = await ctx.store.recordJobFile({ jobId: job.id, name, sha256, size, overwrite, perJob, actor });
    failpoint('upload.after-record');
    const { file, replaced } = recorded;
    if (replaced !== null && replaced.sha256 !== sha256) await unstageFile(stagingDir, replaced);
    return { file, created: replaced === null };
  } catch (error) {
    await forget(ctx, job, { received, name });
    throw error;
  }
}

/** Leaves nothing of a file that was not recorded; what an earlier request recorded stays. */
async function forget(
  ctx: AttemptContext,
  job: Job,
  { received, name }: { received: ReceivedFile; name: string },
): Promise<void> {
  await dropReceived(received);
  if ((await ctx.store.getJob(job.id)) === null) {
    // Removed while its file was on the way, which may have made its directory again.
    await removeTree(ctx.home.job(job.id));
    return;
  }
  const files = await ctx.store.listJobFiles(job.id);
  const isRecorded = files.some((file) => file.name === name && file.sha256 === received.sha256);
  if (!isRecorded) await unstageFile(ctx.home.staging(job.id), { name, sha256: received.sha256 });
}
