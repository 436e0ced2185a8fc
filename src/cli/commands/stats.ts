import type { Command } from 'commander';
import type { StatisticsPageView } from '../../api/contract.ts';
import { systemClock } from '../../kernel/clock.ts';
import type { Runtime } from '../command.ts';
import { renderStatistics, STATISTICS_LEGEND } from '../statistics-view.ts';

/** Adds `stats`: how jobs ended and how long they took. */
export function registerStats(program: Command, runtime: Runtime): void {
  const command = program
    .command('stats')
    .summary('show how jobs ended and how long they took')
    .description(
      'Show how jobs ended and how long they took, by repository and agent: median / 90th percentile of the wait in the\n' +
        'queue, the preparation, the run of the agent, and all of that. TIMED is the number of runs behind it; a run whose\n' +
        'end no server saw is not timed.',
    )
    .option('--repo <name>', 'only this repository')
    .option('--agent <name>', 'only this agent');
  runtime.handle<{ repo?: string; agent?: string }>(command, async ({ client, terminal, options }) => {
    const { repo: repository = null, agent = null } = options;
    const page: StatisticsPageView = await client.get('/v1/statistics', { repository, agent });
    if (terminal.json) return terminal.document(page);
    if (!page.complete) terminal.message('the journal is still being read: these numbers will grow');
    if (page.items.length === 0) return terminal.message('no job has ended yet');
    const view = { colours: terminal.colours, width: terminal.width, now: systemClock.now() };
    await terminal.data(renderStatistics(page.items, view));
    if (terminal.isTerminal) terminal.message(terminal.messageColours.dim(STATISTICS_LEGEND));
  });
}
