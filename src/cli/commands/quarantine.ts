import type { Command } from 'commander';
import type { PageView, QuarantineItemView } from '../../api/contract.ts';
import type { Runtime } from '../command.ts';
import { cleanLine } from '../sanitise.ts';
import type { Colours } from '../terminal.ts';

/** Adds `recovery quarantine [release ID]`: what is damaged and set aside, and what to do about it. */
export function registerQuarantine(recovery: Command, runtime: Runtime): void {
  const quarantine = recovery
    .command('quarantine')
    .description('List what is damaged and set aside, with what to do about each. Changes nothing.')
    .option('--all', 'also what was released');
  runtime.handle<{ all?: boolean }>(quarantine, async ({ client, terminal, options }) => {
    const items: QuarantineItemView[] = [];
    for (let cursor: string | null = null; ;) {
      const query = { cursor, limit: 200, ...(options.all === true ? { released: true } : {}) };
      const page: PageView<QuarantineItemView> = await client.get('/v1/quarantine', query);
      items.push(...page.items);
      cursor = page.nextCursor;
      if (cursor === null) break;
    }
    if (terminal.json) return terminal.document({ items, nextCursor: null });
    if (items.length === 0) return terminal.message('nothing is quarantined');
    await terminal.data(items.map((item) => renderItem(item, terminal.colours)).join(''));
  });
  const release = quarantine
    .command('release')
    .description('Release what you have looked at. The list says what that does; it is recorded with your name.')
    .argument('<id>', 'of an item, or of a quarantined job');
  runtime.handle(release, async ({ client, terminal, args: [id = ''] }) => {
    const item = await client.post<QuarantineItemView>(`/v1/quarantine/${encodeURIComponent(id)}/release`, {});
    if (terminal.json) return terminal.document(item);
    terminal.message(`released ${cleanLine(item.kind)} ${cleanLine(item.item)}: ${item.resolution ?? ''}`);
  });
}

function renderItem(item: QuarantineItemView, colours: Colours): string {
  const lines = [
    `${colours.red('▲')} ${colours.bold(cleanLine(item.kind))} ${cleanLine(item.item)}`,
    `  ${cleanLine(item.why)}`,
    `  ${colours.dim(cleanLine(item.path))}`,
    `  ${cleanLine(item.advice)}`,
  ];
  if (item.releasedAt !== null)
    lines.push(`  released by ${cleanLine(item.releasedBy ?? '')}: ${item.resolution ?? ''}`);
  else if (item.command !== null) lines.push(`  ${colours.cyan('→')} ${cleanLine(item.command)}`);
  return `${lines.join('\n')}\n`;
}
