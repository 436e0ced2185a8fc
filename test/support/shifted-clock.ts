import type { StartOptions } from './world.ts';

export const YEAR_MS = 365 * 86_400_000;

/**
 * Returns how to start a server whose wall clock is wrong by so many milliseconds. The shift is put into its process before
 * its first line runs, because setting the machine's clock would be felt by everybody.
 */
export function shifted(ms: number): StartOptions {
  const source = `const Right = Date;
globalThis.Date = class Date extends Right {
  constructor(...given) { super(...(given.length === 0 ? [Right.now() + ${ms}] : given)); }
  static now() { return Right.now() + ${ms}; }
};`;
  return { env: { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(source)}` } };
}
