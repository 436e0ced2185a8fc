import type { ResourceView } from '../api/contract.ts';
import type { ResourceState } from '../lifecycle/resource.ts';
import type { View } from './job-view.ts';
import { cleanLine } from './sanitise.ts';
import { renderTable, type Cell, type Column } from './table.ts';
import { relativeTime } from './times.ts';

const COLUMNS: readonly Column[] = [
  { title: 'RESOURCE' },
  { title: 'KIND' },
  { title: 'NAME', flexible: true },
  { title: 'STATE' },
  { title: 'REGISTERED' },
  { title: 'JOB' },
  { title: 'NOTE', flexible: true },
];

/** Returns the table of resources for people. */
export function renderResources(items: readonly ResourceView[], { colours, width, now }: View): string {
  const styles: Record<ResourceState, (text: string) => string> = {
    registered: colours.cyan,
    removing: colours.yellow,
    failed: colours.red,
    removed: colours.dim,
  };
  const rows = items.map((item): (Cell | string)[] => [
    item.id,
    item.kind,
    cleanLine(item.target),
    { text: item.state, style: styles[item.state] },
    relativeTime(item.registeredAt, now),
    item.jobId,
    cleanLine(item.note ?? ''),
  ]);
  return renderTable({ columns: [...COLUMNS], rows, width, heading: colours.bold });
}
