import { Option, type Command } from 'commander';
import type { JobView, PageView } from '../../api/contract.ts';
import { systemClock } from '../../kernel/clock.ts';
import { JOB_STATES } from '../../lifecycle/transitions.ts';
import type { Call, Runtime } from '../command.ts';
import { renderJobs } from '../job-view.ts';
import { wholeNumber } from '../words.ts';

/** Most jobs one answer of the server holds. */
const PAGE = 200;

interface JobsOptions {
  state?: string;
  repo?: string;
  limit: number;
  cursor?: string;
}

/** Adds `jobs`: the newest jobs first. */
export function registerJobs(program: Command, runtime: Runtime): void {
  const command = program
    .command('jobs')
    .summary('list jobs')
    .description('List jobs, newest first.')
    .addOption(new Option('--state <state>', 'only jobs in this state').choices(JOB_STATES))
    .option('--repo <name>', 'only jobs of this repository')
    .option('-n, --limit <n>', 'how many', wholeNumber(1, 100_000), 50)
    .option('--cursor <cursor>', 'go on where a list with this nextCursor ended');
  runtime.handle<JobsOptions>(command, listJobs);
}

async function listJobs({ client, terminal, options }: Call<JobsOptions>): Promise<void> {
  const items: JobView[] = [];
  let cursor: string | null = options.cursor ?? null;
  do {
    const limit: number = Math.min(PAGE, options.limit - items.length);
    const page: PageView<JobView> = await client.get('/v1/jobs', {
      state: options.state,
      repository: options.repo,
      cursor,
      limit,
    });
    items.push(...page.items);
    cursor = page.nextCursor;
  } while (cursor !== null && items.length < options.limit);
  if (terminal.json) return terminal.document({ items, nextCursor: cursor });
  if (items.length === 0) {
    terminal.message('no jobs\n→ holdfast run "what to do"');
    return;
  }
  await terminal.data(renderJobs(items, { colours: terminal.colours, width: terminal.width, now: systemClock.now() }));
  if (cursor !== null) terminal.message(`there are more: --limit, or --cursor ${cursor}`);
}
