/** The part of the store contract about files sent for jobs, and about what is removed. */
import type { JobFile } from '../lifecycle/job-file.ts';

/** What is left of a removed row. */
export interface Tombstone {
  id: string;
  /** Null unless it was a job. */
  number: number | null;
  /** Names of the repositories a job worked on. */
  repositories: string[];
  removedAt: number;
  /** Null while its files are due for removal. */
  clearedAt: number | null;
}

export interface FilesStore {
  /** By id, or the number of a job; null when nothing of that name was removed. */
  findTombstone(reference: string): Promise<Tombstone | null>;
  /**
   * Removes an ended job with its attempts, files, deliveries, events and its prompt, if no other job has it; leaves a
   * tombstone. Every later write of it throws `gone`. Throws `state-conflict` when it has not ended, or a delivery of it
   * has not. With `finishedAt` only the end that was looked at counts: a job that was retried since is left.
   */
  removeJob(input: { id: string; actor: string; finishedAt?: number | null }): Promise<void>;

  // files of a job
  /**
   * Records a file that lies in staging, in place of one with the same name (`replaced`; the same one when nothing
   * changed). Only while the job is `created`, else `state-conflict`. Throws `payload-too-large` when all files of the job
   * together would have more than `perJob` bytes.
   */
  recordJobFile(input: {
    jobId: string;
    name: string;
    sha256: string;
    size: number;
    overwrite: boolean;
    perJob: number;
    actor: string;
  }): Promise<{ file: JobFile; replaced: JobFile | null }>;
  /** Takes a file back while the job is `created`, and returns it. Throws `not-found`, `state-conflict`. */
  dropJobFile(input: { jobId: string; name: string; actor: string }): Promise<JobFile>;
  /** By name. */
  listJobFiles(jobId: string): Promise<JobFile[]>;
}
