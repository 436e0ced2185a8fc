import type { Job } from '../../lifecycle/job.ts';
import type { JobState } from '../../lifecycle/transitions.ts';
import type { JobQuery } from '../../store/store.ts';
import { DEFAULT_PAGE } from '../contract/common.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import type { Services } from '../services.ts';
import type { BatchJobItem } from './contract.ts';
import { presentBatchJob } from './present.ts';
import { statesOf, type BatchStatus } from './status.ts';

export interface BatchQuery {
  status?: BatchStatus | undefined;
  repository?: string | undefined;
  cursor?: string | undefined;
  limit?: number | undefined;
}

interface BatchPage {
  jobs: BatchJobItem[];
  nextCursor: string | null;
}

/** Returns a page of jobs, newest first; queued ones in the order of the queue, then those that wait for others. */
export async function listBatchJobs(services: Services, query: BatchQuery): Promise<BatchPage> {
  if (query.status === 'queued' && query.repository === undefined) return listQueued(services, query);
  const limit = query.limit ?? DEFAULT_PAGE;
  const before = decodeCursor('batch', query.cursor);
  const wanted: JobQuery = { limit };
  if (query.repository !== undefined) wanted.repository = query.repository;
  if (before !== null) wanted.before = Number(before);
  // Each state is a list of its own with its own index: the page is the newest of all of them.
  const states: (JobState | null)[] = query.status === undefined ? [null] : statesOf(query.status);
  const pages = await Promise.all(
    states.map((state) => services.store.listJobs(state === null ? wanted : { ...wanted, state })),
  );
  const found = pages.flatMap((page) => page.items).toSorted((a, b) => b.number - a.number);
  const shown = found.slice(0, limit);
  const more = found.length > limit || pages.some((page) => page.nextCursor !== null);
  const last = shown.at(-1);
  return {
    jobs: await Promise.all(shown.map((job) => present(services, job))),
    nextCursor: more && last !== undefined ? encodeCursor('batch', last.number) : null,
  };
}

async function listQueued(services: Services, query: BatchQuery): Promise<BatchPage> {
  const limit = query.limit ?? DEFAULT_PAGE;
  const from = Number(decodeCursor('batch-queue', query.cursor) ?? 0);
  const most = from + limit + 1;
  const queued = await services.store.listQueue(most);
  const all = [...queued, ...(await listWaiting(services, most - queued.length))];
  const shown = all.slice(from, from + limit);
  return {
    jobs: shown.map((job, index) => presentBatchJob(job, job.state === 'queued' ? from + index + 1 : null)),
    nextCursor: all.length > from + limit ? encodeCursor('batch-queue', from + limit) : null,
  };
}

/** Jobs that wait for others have no place in the queue; to these clients they are queued all the same. */
async function listWaiting({ store }: Services, most: number): Promise<Job[]> {
  const jobs: Job[] = [];
  for (let cursor: string | null = null; jobs.length < most;) {
    const limit = most - jobs.length;
    const page = await store.listJobs({ state: 'waiting', limit, ...(cursor === null ? {} : { cursor }) });
    jobs.push(...page.items);
    cursor = page.nextCursor;
    if (cursor === null) break;
  }
  return jobs;
}

async function present(services: Services, job: Job): Promise<BatchJobItem> {
  const position = job.state === 'queued' ? await services.store.getQueuePosition(job.id) : null;
  return presentBatchJob(job, position);
}
