import { newJob } from '../src/store/conformance/fixtures.ts';
import type { NewJob } from '../src/store/store.ts';

/** Returns a job that does nothing, as the store accepts it. */
export function makeNewJob(repository: string): NewJob {
  return newJob({ repository, prompt: 'no-op', command: ['true'], agent: 'exec' });
}
