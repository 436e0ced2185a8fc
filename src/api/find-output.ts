import type { FileHandle } from 'node:fs/promises';
import { fail } from '../kernel/errors.ts';
import type { Job } from '../lifecycle/job.ts';
import type { StreamName } from './contract/attempt.ts';
import { openOutput } from './open-output.ts';
import type { Services } from './services.ts';

/** The output of one attempt, opened; the caller closes it. */
export interface FoundOutput {
  attempt: number;
  /** Null while there is no file. */
  handle: FileHandle | null;
  /** Bytes as of now. */
  size: number;
}

/**
 * Opens the output asked for: of the attempt named, else of the newest that has any. Throws `not-found` for an attempt
 * that was never made.
 */
export async function findOutput(
  services: Services,
  job: Job,
  wanted: { attempt: number | null; stream: StreamName },
): Promise<FoundOutput> {
  if (wanted.attempt !== null && wanted.attempt > job.attempts) {
    throw fail('not-found', `job ${job.number} has no attempt ${wanted.attempt}`);
  }
  const newest = wanted.attempt ?? job.attempts;
  for (let number = newest; number >= 1; number--) {
    const path = services.outputPath({ jobId: job.id, number }, wanted.stream);
    const handle = await openOutput(path, services.home.jobs);
    const size = handle === null ? 0 : (await handle.stat()).size;
    if (size > 0 || wanted.attempt !== null) return { attempt: number, handle, size };
    await handle?.close();
  }
  return { attempt: newest, handle: null, size: 0 };
}
