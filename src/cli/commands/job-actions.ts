import type { Command } from 'commander';
import type { JobView } from '../../api/contract.ts';
import { isError } from '../../kernel/errors.ts';
import type { Call, Runtime } from '../command.ts';
import { showState } from '../job-view.ts';
import { renderError, renderProblem } from '../problem.ts';
import { jobPath } from '../references.ts';

type Action = 'start' | 'cancel' | 'retry';

/** Adds `start`, `cancel` and `retry`: one request per job, each on its own, the first failure decides the exit code. */
export function registerJobActions(program: Command, runtime: Runtime): void {
  const add = (action: Action, summary: string): void => {
    const command = program
      .command(action)
      .summary(summary)
      .description(`${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`)
      .argument('<job...>');
    runtime.handle(command, (call) => actOnJobs(call, action));
  };
  add('start', 'queue jobs that were submitted with --hold');
  add('cancel', 'cancel jobs; what runs is stopped first');
  add('retry', 'queue jobs again that ended badly or are blocked, with a new budget');
}

async function actOnJobs({ client, terminal, args }: Call, action: Action): Promise<number> {
  const items: JobView[] = [];
  let exit = 0;
  for (const reference of args) {
    try {
      const job = await client.post<JobView>(jobPath(reference, `/${action}`));
      items.push(job);
      const pending = action === 'cancel' && job.state !== 'cancelled' ? ', being cancelled' : '';
      if (!terminal.json)
        await terminal.data(`job ${job.number} ${showState(job.state, terminal.colours)}${pending}\n`);
    } catch (error) {
      if (!isError(error) || error.code === 'interrupted') throw error;
      if (exit === 0) exit = error.exit;
      const colours = terminal.messageColours;
      terminal.alarm(terminal.json ? renderProblem(error) : renderError(error, { colours, verbose: false }));
    }
  }
  if (terminal.json) await terminal.document({ items });
  return exit;
}
