import type { BackupView } from '../api/contract.ts';
import { cleanLine } from './sanitise.ts';
import { renderTable, type Cell } from './table.ts';
import type { Terminal } from './terminal.ts';
import { formatBytes, relativeTime } from './times.ts';
import { systemClock } from '../kernel/clock.ts';

export type BackupProgressView = NonNullable<BackupView['progress']>;

const PHASES = {
  database: 'copying the database',
  jobs: 'saving jobs',
  mirrors: 'saving repositories',
  check: 'reading it back',
} as const;

/** Returns how far a backup is, in one line. */
export function renderBackupProgress({ phase, jobs, jobsTotal, files, bytes }: BackupProgressView): string {
  const parts: string[] = [PHASES[phase]];
  if (jobsTotal > 0) parts.push(`job ${jobs} of ${jobsTotal}`);
  if (files > 0) parts.push(`${files} files, ${formatBytes(bytes)}`);
  return parts.join(' · ');
}

/** Returns the table of backups, newest first. */
export function renderBackups(items: readonly BackupView[], { colours, width }: Terminal): string {
  const now = systemClock.now();
  const rows = items.map((one): (Cell | string)[] => [
    one.id,
    { text: relativeTime(one.intendedAt, now), style: colours.dim },
    { text: one.state, style: one.state === 'failed' ? colours.red : colours.green },
    one.bytes === null ? '–' : formatBytes(one.bytes),
    cleanLine(one.path),
    cleanLine(one.note ?? ''),
  ]);
  const columns = [
    { title: 'BACKUP' },
    { title: 'WHEN' },
    { title: 'STATE' },
    { title: 'SIZE', align: 'right' as const },
    { title: 'PATH' },
    { title: 'NOTE' },
  ];
  return renderTable({ columns, rows, width, heading: colours.bold });
}
