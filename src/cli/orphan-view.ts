import type { OrphanListView, OrphanView, RepairView } from '../api/contract.ts';
import { cleanLine } from './sanitise.ts';
import type { Colours } from './terminal.ts';

/** Returns findings for people: what it is, whether it is ours and why, and what would be done. */
export function renderOrphans({ items, total }: OrphanListView, colours: Colours): string {
  if (total === 0) return '';
  const more = total > items.length ? `  and ${total - items.length} more\n` : '';
  return `\n${items.map((item) => renderOrphan(item, colours)).join('')}${more}`;
}

function renderOrphan(item: OrphanView, colours: Colours): string {
  const sign = item.ours ? colours.yellow('!') : colours.dim('·');
  const target = cleanLine([item.path, item.identity].filter((one) => one !== null).join(' '));
  const action = item.action === 'none' ? 'only reported' : item.action;
  return `${sign} ${colours.bold(item.id)}  ${item.kind}  ${target}\n    ${cleanLine(item.note)}; ${cleanLine(item.why)} → ${action}\n`;
}

/** Returns what a repair did, or would do. */
export function renderRepair({ items }: RepairView, colours: Colours): string {
  const styles = {
    would: colours.cyan,
    done: colours.green,
    gone: colours.dim,
    refused: colours.yellow,
    failed: colours.red,
  };
  return items
    .map((item) => `${styles[item.outcome](item.outcome.padEnd(7))} ${item.id}  ${cleanLine(item.detail)}\n`)
    .join('');
}
