import type { Command } from 'commander';
import type { CreatedTokenView, PageView, TokenView } from '../../api/contract.ts';
import { systemClock } from '../../kernel/clock.ts';
import type { Runtime } from '../command.ts';
import { cleanLine } from '../sanitise.ts';
import { renderTable, type Cell } from '../table.ts';
import { relativeTime } from '../times.ts';

/** Adds `token create|list|revoke`: bearer tokens for other programs. */
export function registerToken(program: Command, runtime: Runtime): void {
  const token = program
    .command('token')
    .summary('bearer tokens for other programs')
    .description('Manage bearer tokens.');
  const create = token
    .command('create')
    .description('Create a token and print it: this is the only time it is shown.')
    .argument('<name>', 'what it is for');
  runtime.handle(create, async ({ client, terminal, args: [name = ''] }) => {
    const made = await client.post<CreatedTokenView>('/v1/tokens', { name });
    if (terminal.json) return terminal.document(made);
    await terminal.data(`${made.token}\n`);
    terminal.message(
      `token "${made.name}" (${made.id}); it is not shown again\n→ revoke it with \`holdfast token revoke ${made.id}\``,
    );
  });
  runtime.handle(token.command('list').description('List tokens.'), async ({ client, terminal }) => {
    const page = await client.get<PageView<TokenView>>('/v1/tokens');
    if (terminal.json) return terminal.document(page);
    if (page.items.length === 0) return terminal.message('no tokens but the one of the home');
    const now = systemClock.now();
    const rows = page.items.map((item): (Cell | string)[] => [
      item.id,
      cleanLine(item.name),
      relativeTime(item.createdAt, now),
      item.revokedAt === null ? 'valid' : `revoked ${relativeTime(item.revokedAt, now)}`,
    ]);
    const columns = [{ title: 'ID' }, { title: 'NAME' }, { title: 'CREATED' }, { title: 'STATE' }];
    await terminal.data(renderTable({ columns, rows, width: terminal.width, heading: terminal.colours.bold }));
  });
  const revoke = token.command('revoke').description('Revoke a token at once.').argument('<id>');
  runtime.handle(revoke, async ({ client, terminal, args: [id = ''] }) => {
    const path = `/v1/tokens/${encodeURIComponent(id)}`;
    const item = await client.call<TokenView>({ method: 'DELETE', path });
    if (terminal.json) return terminal.document(item);
    terminal.message(`revoked "${cleanLine(item.name)}" (${item.id})`);
  });
}
