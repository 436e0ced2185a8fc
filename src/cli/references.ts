import type { JobView } from '../api/contract.ts';
import type { Context } from './shell.ts';

/** Returns the path of a job's route; the reference is a number, an id, or a unique prefix of an id. */
export function jobPath(reference: string, rest = ''): string {
  return `/v1/jobs/${encodeURIComponent(reference)}${rest}`;
}

/** Returns the job a reference names. Throws `job-not-found` or `ambiguous-id`. */
export function getJob(context: Context, reference: string): Promise<JobView> {
  return context.client.get<JobView>(jobPath(reference));
}
