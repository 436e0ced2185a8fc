import { formatDuration } from '../kernel/duration.ts';

/** Returns how long ago `at` (ISO 8601) was, for people: `just now`, `12s ago`, `3m ago`, `4d ago`, `in 5m`; `–` for null. */
export function relativeTime(at: string | null, now: number): string {
  if (at === null) return '–';
  const span = now - Date.parse(at);
  if (Number.isNaN(span)) return at;
  if (Math.abs(span) < 1000) return 'just now';
  return span > 0 ? `${coarse(span)} ago` : `in ${coarse(-span)}`;
}

/** Returns the time between two ISO 8601 moments for people; up to `now` when it has not ended, `–` when not begun. */
export function elapsedTime(span: { from: string | null; to: string | null }, now: number): string {
  const { from, to } = span;
  if (from === null) return '–';
  return formatDuration(Math.max(0, (to === null ? now : Date.parse(to)) - Date.parse(from)));
}

/** Returns a size for people: `812 B`, `4.2 KiB`, `1.0 GiB`. */
export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const units = ['KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes / 1024;
  let unit = 0;
  for (; value >= 1023.95 && unit < units.length - 1; unit++) value /= 1024;
  return `${value.toFixed(1)} ${units[unit] ?? ''}`;
}

/** Only the larger unit: a list is read for order of magnitude. */
function coarse(ms: number): string {
  return formatDuration(ms).split(' ')[0] ?? '';
}
