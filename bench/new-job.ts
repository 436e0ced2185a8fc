import { DEFAULT_LIMITS } from '../src/lifecycle/job.ts';
import type { NewJob } from '../src/store/store.ts';

/** Returns a job that does nothing, as the store accepts it. */
export function makeNewJob(repository: string): NewJob {
  return {
    repository,
    prompt: 'no-op',
    command: ['true'],
    agent: 'exec',
    pipeline: 'implement',
    priority: 0,
    onInterrupt: 'continue',
    limits: DEFAULT_LIMITS,
    deadlineMs: null,
    start: true,
    principal: 'local',
    idempotency: null,
  };
}
