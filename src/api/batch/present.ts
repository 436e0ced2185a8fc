/** Jobs and repositories in the words of the batch API. */
import type { Job } from '../../lifecycle/job.ts';
import type { Repository } from '../../lifecycle/repository.ts';
import { showTime } from '../contract/common.ts';
import type { BatchJobItem, BatchRepositoryView } from './contract.ts';
import { statusOf } from './status.ts';

/** Returns a repository as these clients know it. */
export function presentBatchRepository(repository: Repository): BatchRepositoryView {
  return {
    name: repository.name,
    gitUrl: repository.source,
    branch: repository.base,
    cloneStatus: repository.cloneState,
    errorMessage: repository.unavailable,
    registeredAt: showTime(repository.createdAt),
  };
}

/** Returns a job as these clients know it, without its output. */
export function presentBatchJob(job: Job, queuePosition: number | null): BatchJobItem {
  return {
    jobId: job.id,
    sessionId: sessionOf(job),
    status: statusOf(job.state),
    repository: job.repository,
    agentEngine: job.agent,
    errorMessage: errorOf(job),
    queuePosition,
    exitCode: job.exitCode,
    createdAt: showTime(job.createdAt),
    startedAt: showTime(job.startedAt),
    completedAt: showTime(job.finishedAt),
  };
}

/** Never null, because these clients expect a text: the job stands for its conversation until that has an id. */
export function sessionOf(job: Job): string {
  return job.sessionId ?? job.id;
}

/** Why a job failed or needs a person; null for one that has no fault. */
function errorOf(job: Job): string | null {
  const status = statusOf(job.state);
  return status === 'failed' || status === 'timeout' ? (job.blocker ?? job.reason ?? status) : null;
}
