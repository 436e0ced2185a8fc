import type { Command } from 'commander';
import type { JobView, PageView } from '../../api/contract.ts';
import { systemClock } from '../../kernel/clock.ts';
import type { Runtime } from '../command.ts';
import { renderQueue } from '../job-view.ts';

/** Adds `queue`: the queued jobs in the order in which they will start. */
export function registerQueue(program: Command, runtime: Runtime): void {
  const command = program
    .command('queue')
    .summary('show the queue')
    .description('Show the queued jobs in their order.');
  runtime.handle(command, async ({ client, terminal }) => {
    const items: JobView[] = [];
    let cursor: string | null = null;
    do {
      const page: PageView<JobView> = await client.get('/v1/queue', { cursor, limit: 200 });
      items.push(...page.items);
      cursor = page.nextCursor;
    } while (cursor !== null);
    if (terminal.json) return terminal.document({ items, nextCursor: null });
    if (items.length === 0) return terminal.message('the queue is empty');
    await terminal.data(
      renderQueue(items, { colours: terminal.colours, width: terminal.width, now: systemClock.now() }),
    );
  });
}
