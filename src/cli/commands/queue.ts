import type { Command } from 'commander';
import type { AdmissionView, JobView, PageView } from '../../api/contract.ts';
import { systemClock } from '../../kernel/clock.ts';
import type { Runtime } from '../command.ts';
import { renderQueue } from '../job-view.ts';
import { cleanLine } from '../sanitise.ts';

type QueueView = PageView<JobView> & { admission: AdmissionView };

/** Adds `queue`: the queued jobs in the order in which they will start. */
export function registerQueue(program: Command, runtime: Runtime): void {
  const command = program
    .command('queue')
    .summary('show the queue')
    .description('Show the queued jobs in their order.');
  runtime.handle(command, async ({ client, terminal }) => {
    const items: JobView[] = [];
    let admission: AdmissionView | null = null;
    let cursor: string | null = null;
    do {
      const page: QueueView = await client.get('/v1/queue', { cursor, limit: 200 });
      items.push(...page.items);
      admission = page.admission;
      cursor = page.nextCursor;
    } while (cursor !== null);
    if (terminal.json) return terminal.document({ items, nextCursor: null, admission });
    if (admission !== null && !admission.open) {
      terminal.message(`${cleanLine(admission.detail ?? '')}\n→ ${cleanLine(admission.hint ?? '')}`);
    }
    if (items.length === 0) return terminal.message('the queue is empty');
    await terminal.data(
      renderQueue(items, { colours: terminal.colours, width: terminal.width, now: systemClock.now() }),
    );
  });
}
