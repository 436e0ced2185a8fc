import { fail } from './errors.ts';

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;
const NAMES = /^(\d+(?:\.\d+)?) ?(B|[KMGT]iB)$/;

/** Parses `512 MiB` or `2GiB` (powers of 1024) into bytes. Throws `bad-request` for anything else. */
export function parseSize(text: string): number {
  const [, amount, unit] = NAMES.exec(text) ?? [];
  const power = UNITS.findIndex((name) => name === unit);
  if (amount === undefined || power < 0) throw fail('bad-request', `"${text}" is not a size like 512 MiB or 2 GiB`);
  return Math.round(Number(amount) * 1024 ** power);
}

/** Returns a size for people: `812 B`, `4.2 KiB`, `1.0 GiB`. */
export function formatSize(bytes: number): string {
  let value = bytes;
  let unit = 0;
  for (; value >= (unit === 0 ? 1024 : 1023.95) && unit < UNITS.length - 1; unit++) value /= 1024;
  return unit === 0 ? `${value} B` : `${value.toFixed(1)} ${UNITS[unit] ?? ''}`;
}
