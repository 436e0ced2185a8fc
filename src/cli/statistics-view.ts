import type { JobView, StatisticView } from '../api/contract.ts';
import { formatDuration } from '../kernel/duration.ts';
import type { View } from './job-view.ts';
import { cleanLine } from './sanitise.ts';
import { renderTable, type Cell, type Column } from './table.ts';

/** Returns the table of `holdfast stats`. */
export function renderStatistics(items: readonly StatisticView[], view: View): string {
  const columns: Column[] = [
    { title: 'REPOSITORY', flexible: true },
    { title: 'AGENT' },
    { title: 'ENDED', align: 'right' },
    { title: 'OK', align: 'right' },
    { title: 'FAILED', align: 'right' },
    { title: 'CANCELLED', align: 'right' },
    { title: 'FAILURE RATE', align: 'right' },
    { title: 'WAITED', align: 'right' },
    { title: 'PREPARED', align: 'right' },
    { title: 'RAN', align: 'right' },
    { title: 'IN ALL', align: 'right' },
    { title: 'TIMED', align: 'right' },
  ];
  const rows = items.map((item): (Cell | string)[] => {
    const { ended, failureRate, stages } = item;
    const failed = ended.failure + ended.timed_out;
    return [
      item.repository === null ? { text: '(others)', style: view.colours.dim } : cleanLine(item.repository),
      cleanLine(item.agent ?? ''),
      String(ended.success + failed + ended.cancelled),
      String(ended.success),
      failed === 0 ? '0' : { text: String(failed), style: view.colours.red },
      String(ended.cancelled),
      failureRate === null ? '–' : `${(failureRate * 100).toFixed(failureRate === 0 ? 0 : 1)} %`,
      ...[stages.waiting, stages.preparing, stages.running, stages.whole].map(showDurations),
      String(stages.running?.samples ?? 0),
    ];
  });
  return renderTable({ columns, rows, width: view.width, heading: view.colours.bold });
}

/** What the columns of that table mean, for a person who reads it. */
export const STATISTICS_LEGEND =
  'WAITED in the queue, PREPARED the workspace, RAN the agent, IN ALL: median / 90th percentile of the TIMED runs.';

function showDurations(durations: StatisticView['stages']['whole']): string {
  return durations === null ? '–' : `${formatDuration(durations.p50Ms)} / ${formatDuration(durations.p90Ms)}`;
}

/** Returns what can be told of a job that has not ended, in words; null when nothing can. */
export function describeEstimate({ state, estimate }: JobView): string | null {
  if (estimate === null) return null;
  const { startInMs, remainingMs, durationP50Ms, durationP90Ms, samples } = estimate;
  const parts: string[] = [];
  if (startInMs !== null) parts.push(`begins ${whenStarts(estimate)}`);
  if (durationP50Ms !== null && durationP90Ms !== null) {
    const span = [...new Set([durationP50Ms, durationP90Ms].map(formatDuration))].join('–');
    parts.push(`usually ${span} here (P50–P90 of ${samples} runs)`);
    if (remainingMs !== null) parts.push(`about ${formatDuration(remainingMs)} left`);
    else if (state === 'running') parts.push('longer than nine of ten');
  }
  return parts.length === 0 ? null : parts.join(', ');
}

/** Returns when a waiting job begins, for people: `now`, `in about 5m`; `–` when that cannot be told. */
export function whenStarts(estimate: JobView['estimate']): string {
  const startInMs = estimate?.startInMs ?? null;
  if (startInMs === null) return '–';
  return startInMs < 1000 ? 'now' : `in about ${formatDuration(startInMs)}`;
}
