import type { Command } from 'commander';
import type { JobView } from '../../api/contract.ts';
import { isError } from '../../kernel/errors.ts';
import { confirm } from '../ask.ts';
import type { Call, Runtime } from '../command.ts';
import { showState } from '../job-view.ts';
import { renderError, renderProblem } from '../problem.ts';
import { getJob, jobPath } from '../references.ts';

type Action = 'start' | 'cancel' | 'retry' | 'fixup' | 'freeze' | 'unfreeze';

/** Adds what is done to jobs by name: one request per job, each on its own, the first failure decides the exit code. */
export function registerJobActions(program: Command, runtime: Runtime): void {
  const add = (action: Action, summary: string): void => {
    const command = program
      .command(action)
      .summary(summary)
      .description(`${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`)
      .argument('<job...>');
    runtime.handle(command, (call) => actOnJobs(call, action));
  };
  add('start', 'queue jobs that were submitted with --hold, or let them go without waiting for others');
  add('cancel', 'cancel jobs; what runs is stopped first');
  add('retry', 'queue jobs again that ended badly or are blocked, with a new budget');
  add('fixup', 'reopen the work of a pipeline into its implementation, with a new budget');
  add('freeze', 'let no further attempt of jobs begin; what runs goes on, also after a restart');
  add('unfreeze', 'let frozen jobs have their turn again, at their old place');
  const remove = program
    .command('remove')
    .summary('remove ended jobs for good')
    .description(
      'Remove ended jobs with their workspaces, output, saved trees and events. Numbers are never used again.\n' +
        'What a job delivered elsewhere stays.',
    )
    .argument('<job...>');
  runtime.handle(remove, removeJobs);
}

/** A removed job has no view: the answer is its number. */
async function removeJobs(call: Call): Promise<number> {
  const { client, terminal, args } = call;
  // Nobody is asked about a job that does not exist.
  if (args.length === 1) await getJob(call, args[0] ?? '');
  await confirm(call, `Remove ${args.length === 1 ? `job ${args[0]}` : `${args.length} jobs`} for good?`);
  const items: { id: string; number: number }[] = [];
  const exit = await forEach(call, async (reference) => {
    const { id, number } = await getJob(call, reference);
    await client.call({ method: 'DELETE', path: jobPath(id) });
    items.push({ id, number });
    if (!terminal.json) await terminal.data(`job ${number} removed\n`);
  });
  if (terminal.json) await terminal.document({ items });
  return exit;
}

async function actOnJobs(call: Call, action: Action): Promise<number> {
  const { client, terminal } = call;
  const items: JobView[] = [];
  const exit = await forEach(call, async (reference) => {
    const job = await client.post<JobView>(jobPath(reference, `/${action}`));
    items.push(job);
    const pending = action === 'cancel' && job.state !== 'cancelled' ? ', being cancelled' : '';
    const frozen = job.frozen ? ', frozen' : '';
    const state = `${showState(job.state, terminal.colours)}${frozen}${pending}`;
    if (!terminal.json) await terminal.data(`job ${job.number} ${state}\n`);
  });
  if (terminal.json) await terminal.document({ items });
  return exit;
}

/** Acts on one job after another; returns the exit code of the first that failed. */
async function forEach({ terminal, args }: Call, act: (reference: string) => Promise<void>): Promise<number> {
  let exit = 0;
  for (const reference of args) {
    try {
      await act(reference);
    } catch (error) {
      if (!isError(error) || error.code === 'interrupted') throw error;
      if (exit === 0) exit = error.exit;
      const colours = terminal.messageColours;
      terminal.alarm(terminal.json ? renderProblem(error) : renderError(error, { colours, verbose: false }));
    }
  }
  return exit;
}
