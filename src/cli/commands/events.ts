import type { Command } from 'commander';
import type { EventView, PageView } from '../../api/contract.ts';
import { fail, isError } from '../../kernel/errors.ts';
import type { Call, Runtime } from '../command.ts';
import { followStream } from '../reconnect.ts';
import { cleanLine } from '../sanitise.ts';
import type { Context } from '../shell.ts';
import { wholeNumber } from '../words.ts';

interface EventsOptions {
  follow?: boolean;
  after?: number;
  lines?: number;
  limit?: number;
}

/** Adds `events`: the journal of the server, one line per event. */
export function registerEvents(program: Command, runtime: Runtime): void {
  const command = program
    .command('events')
    .summary('show what happened')
    .description(
      'Show the journal, oldest first, one event a line (with --json one object a line). -f goes on for ever.',
    )
    .option('-f, --follow', 'go on with new events, across restarts of the server')
    .option('--after <seq>', 'only events after this sequence number', wholeNumber(0, Number.MAX_SAFE_INTEGER))
    .option('--limit <n>', 'at most this many, from the oldest on (not with -f or -n)', wholeNumber(1, 1_000_000))
    .option('-n, --lines <n>', 'only the last ones (default with -f: none)', wholeNumber(0, 1_000_000));
  runtime.handle<EventsOptions>(command, events);
}

async function events(call: Call<EventsOptions>): Promise<void> {
  const { options } = call;
  const follows = options.follow === true;
  if (options.limit !== undefined && (follows || options.lines !== undefined)) {
    throw fail('bad-usage', '--limit counts from the oldest event: it does not go with -f or -n');
  }
  const wantsPast = !follows || options.after !== undefined || options.lines !== undefined;
  const last = wantsPast ? await printPast(call) : null;
  if (follows) await printNew(call, last);
}

/** Events asked for at once: the most a page holds. */
const PAGE = 200;

/** Prints what is there, page by page, and returns the sequence of the newest event printed. */
async function printPast(call: Call<EventsOptions>): Promise<number> {
  const { client, options } = call;
  const kept: EventView[] = [];
  let after = options.after ?? 0;
  for (let left = options.limit ?? Infinity; left > 0;) {
    const page = await client.get<PageView<EventView>>('/v1/events', { after, limit: Math.min(PAGE, left) });
    const newest = page.items.at(-1);
    if (newest !== undefined) after = newest.seq;
    left -= page.items.length;
    if (options.lines === undefined) for (const event of page.items) await print(call, event);
    else {
      kept.push(...page.items);
      kept.splice(0, Math.max(0, kept.length - options.lines));
    }
    if (newest === undefined || page.nextCursor === null) break;
    if (left <= 0) call.terminal.message(`more follow: holdfast events --after ${after} --limit ${options.limit}`);
  }
  for (const event of kept) await print(call, event);
  return after;
}

async function printNew(context: Context, from: number | null): Promise<void> {
  const { client, terminal, shell } = context;
  let last = from;
  try {
    await followStream({
      client,
      path: '/v1/events',
      lastEventId: () => (last === null ? null : String(last)),
      signal: shell.interrupted,
      onAway: (reason) => terminal.message(`server gone, waiting… (${reason})`),
      onBack: () => terminal.detail('connected'),
      onMessage: async (message) => {
        if (message.event === 'boot') {
          last ??= Number(message.id ?? 0);
          return false;
        }
        const event = JSON.parse(message.data) as EventView;
        await print(context, event);
        last = event.seq;
        return false;
      },
    });
  } catch (error) {
    if (!isError(error, 'interrupted')) throw error;
    const hint = last === null ? 'holdfast events -f' : `holdfast events -f --after ${last}`;
    throw fail('interrupted', 'no longer following the events', { hint: `Go on with \`${hint}\`.` });
  }
}

async function print(context: Context, event: EventView): Promise<void> {
  const { terminal } = context;
  if (terminal.json) return terminal.data(`${JSON.stringify(event)}\n`);
  const { colours } = terminal;
  const subject = event.jobId === null ? event.subject : event.jobId;
  const data = cleanLine(JSON.stringify(event.data)).slice(0, terminal.width === null ? 2000 : 120);
  await terminal.data(
    `${colours.dim(`${String(event.seq).padStart(6)} ${event.at}`)} ${colours.bold(cleanLine(event.kind).padEnd(20))} ${subject} ${colours.dim(data)}\n`,
  );
}
