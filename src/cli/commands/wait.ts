import type { Command } from 'commander';
import { parseDuration } from '../../kernel/duration.ts';
import type { Runtime } from '../command.ts';
import { getJob } from '../references.ts';
import { waitToEnd } from '../watch-job.ts';

/** Adds `wait`: returns once the jobs have ended or need a person; the exit code tells which. */
export function registerWait(program: Command, runtime: Runtime): void {
  const command = program
    .command('wait')
    .summary('wait for jobs')
    .description(
      'Wait until jobs have ended or need a person; the exit code tells which. Survives restarts of the server.',
    )
    .argument('<job...>')
    .option('--timeout <duration>', 'give up waiting after this time, with exit code 124', parseDuration);
  runtime.handle<{ timeout?: number }>(command, async (call) => {
    const jobs = await Promise.all(call.args.map((reference) => getJob(call, reference)));
    const distinct = [...new Map(jobs.map((job) => [job.id, job])).values()];
    return waitToEnd(call, { jobs: distinct, timeoutMs: call.options.timeout ?? null });
  });
}
