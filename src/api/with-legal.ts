import { fail, isError } from '../kernel/errors.ts';
import type { Job } from '../lifecycle/job.ts';
import { listLegalCommands, tellLegalCommands, type JobCommand } from '../lifecycle/legal-commands.ts';
import type { Services } from './services.ts';

/** Carries out a command of an operator; a refusal by the state of the job names the commands it takes instead. */
export async function withLegal<T>(services: Services, job: Job, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (!isError(error, 'state-conflict')) throw error;
    // It may have moved since the request came.
    const now = (await services.store.getJob(job.id)) ?? job;
    throw fail('state-conflict', `${error.detail}; ${tellLegalCommands(now)}`, { hint: error.hint, cause: error });
  }
}

/** Throws `state-conflict` for a job that does not take this command now. */
export function requireLegal(job: Job, command: JobCommand): void {
  if (listLegalCommands(job).includes(command)) return;
  throw fail('state-conflict', `job ${job.number} is ${job.state}: there is nothing to ${command} now`);
}
