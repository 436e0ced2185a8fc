import { repositoriesOf } from '../lifecycle/job.ts';
import { showTime } from './contract/common.ts';
import type { LeaseView } from './contract/queue.ts';
import type { Services } from './services.ts';

/**
 * Returns the long-lived rights: today the workspace of every job at work. Derived from the rows of jobs and attempts,
 * which are what decides; a table of their own would be a second truth.
 */
export async function listLeases({ store }: Services): Promise<LeaseView[]> {
  const [jobs, attempts] = await Promise.all([store.listActiveJobs(), store.listLiveAttempts()]);
  const live = new Map(attempts.map((attempt) => [attempt.jobId, attempt]));
  return jobs.map((job) => {
    const attempt = live.get(job.id) ?? null;
    const process = attempt?.keeper ?? attempt?.agent ?? null;
    return {
      key: `workspace:${job.id}`,
      jobId: job.id,
      number: job.number,
      repositories: repositoriesOf(job),
      fence: job.fence,
      boot: attempt?.boot ?? job.claimedBy ?? '',
      attempt: attempt?.id ?? null,
      holder: process === null ? null : { pid: process.pid, start: process.start },
      acquiredAt: attempt === null ? null : showTime(attempt.intendedAt),
      expiresAt: null,
    };
  });
}
