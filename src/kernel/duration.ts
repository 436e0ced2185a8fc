import { fail } from './errors.ts';

const UNIT_MS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Parses `500ms`, `30s`, `5m`, `2h`, `1d` or a sum like `1h30m` into milliseconds. Throws `bad-duration`. */
export function parseDuration(text: string): number {
  const parts =
    text.match(/^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+$/) === null ? null : text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g);
  if (parts === null) throw fail('bad-duration', `"${text}" is not a duration`);
  let sum = 0;
  for (const [, amount, unit] of parts) sum += Number(amount) * (UNIT_MS[unit ?? ''] ?? Number.NaN);
  const total = Math.round(sum);
  if (!Number.isFinite(total) || total <= 0 || total > 366 * 86_400_000) {
    throw fail('bad-duration', `"${text}" must be more than zero and at most 366 days`);
  }
  return total;
}

/** Returns `ms` for people: `850ms`, `12s`, `3m 20s`, `2h 5m`, `4d 1h`. */
export function formatDuration(ms: number): string {
  const whole = Math.round(ms);
  if (whole < 1000) return `${whole}ms`;
  const seconds = Math.floor(whole / 1000);
  if (seconds < 60) return `${seconds}s`;
  const pairs: [number, string, number, string][] = [
    [86_400, 'd', 3600, 'h'],
    [3600, 'h', 60, 'm'],
    [60, 'm', 1, 's'],
  ];
  for (const [big, bigUnit, small, smallUnit] of pairs) {
    if (seconds < big) continue;
    const rest = Math.floor((seconds % big) / small);
    return `${Math.floor(seconds / big)}${bigUnit}${rest === 0 ? '' : ` ${rest}${smallUnit}`}`;
  }
  return `${seconds}s`;
}
