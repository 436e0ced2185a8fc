import type { Command } from 'commander';
import type { CallbackSecretView, DeliveryView, PageView } from '../../api/contract.ts';
import { systemClock } from '../../kernel/clock.ts';
import type { Call, Runtime } from '../command.ts';
import { cleanLine } from '../sanitise.ts';
import { renderTable, type Cell } from '../table.ts';
import { relativeTime } from '../times.ts';
import { wholeNumber } from '../words.ts';

/** Rows shown unless more are asked for. */
const DEFAULT_ROWS = 50;
const MAX_ROWS = 100_000;

/** Adds `callbacks`, `callbacks secret` and `callback redeliver`: what was told to whom, and what was not. */
export function registerCallbacks(program: Command, runtime: Runtime): void {
  const list = program
    .command('callbacks')
    .summary('messages to callback URLs')
    .description('Show messages to callback URLs, newest first.')
    .option('--failed', 'only those that were given up')
    .option('--job <job>', 'only those of a job')
    .option('-n, --limit <n>', 'at most so many', wholeNumber(1, MAX_ROWS));
  runtime.handle<ListOptions>(list, listDeliveries);

  const secret = list
    .command('secret')
    .description('Print the secret that messages are signed with (Standard Webhooks).')
    .option('--rotate', 'make a new one; the one before still signs beside it for a day');
  runtime.handle<{ rotate?: boolean }>(secret, async ({ client, terminal, options }) => {
    const view =
      options.rotate === true
        ? await client.post<CallbackSecretView>('/v1/callbacks/secret/rotate')
        : await client.get<CallbackSecretView>('/v1/callbacks/secret');
    if (terminal.json) return terminal.document(view);
    await terminal.data(`${view.current}\n`);
    for (const { until } of view.previous) terminal.message(`a former secret still signs beside it until ${until}`);
  });

  const callback = program.command('callback').summary('act on one message').description('Act on one message.');
  const redeliver = callback
    .command('redeliver')
    .description('Send a message again that was sent or given up: the same id and body, with new tries.')
    .argument('<id>', 'id from `holdfast callbacks`');
  runtime.handle(redeliver, async ({ client, terminal, args: [id = ''] }) => {
    const view = await client.post<DeliveryView>(`/v1/deliveries/${encodeURIComponent(id)}/redeliver`);
    if (terminal.json) return terminal.document(view);
    terminal.message(`${view.id} is ${view.state} again`);
  });
}

interface ListOptions {
  failed?: boolean;
  job?: string;
  limit?: number;
}

async function listDeliveries({ client, terminal, options }: Call<ListOptions>): Promise<void> {
  const most = options.limit ?? DEFAULT_ROWS;
  const items: DeliveryView[] = [];
  let cursor: string | null = null;
  do {
    const query = { state: options.failed === true ? 'failed' : null, job: options.job ?? null };
    const limit = Math.min(200, most - items.length);
    const page: PageView<DeliveryView> = await client.get('/v1/deliveries', { ...query, cursor, limit });
    items.push(...page.items);
    cursor = page.nextCursor;
  } while (cursor !== null && items.length < most);
  if (terminal.json) return terminal.document({ items, nextCursor: cursor });
  if (items.length === 0) return terminal.message(options.failed === true ? 'no callback failed' : 'no callbacks yet');
  const now = systemClock.now();
  const rows = items.map((item): (Cell | string)[] => [
    item.id,
    item.type,
    item.state,
    String(item.tries),
    item.nextAt === null ? '' : relativeTime(item.nextAt, now),
    cleanLine(item.url),
    cleanLine(item.lastError ?? ''),
  ]);
  const columns = [
    { title: 'ID' },
    { title: 'EVENT' },
    { title: 'STATE' },
    { title: 'TRIES', align: 'right' as const },
    { title: 'NEXT' },
    { title: 'URL', flexible: true },
    { title: 'WHY' },
  ];
  await terminal.data(renderTable({ columns, rows, width: terminal.width, heading: terminal.colours.bold }));
  if (cursor !== null) terminal.message(`there are more; see them with --limit`);
}
