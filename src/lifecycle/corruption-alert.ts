import type { Corruption } from './report.ts';

/** Share of damaged records above which somebody must be told at once (requirement B19). */
const ALERT_RATE = 0.05;

/**
 * Damaged records it takes at least. One damaged page of a file shows as several records (a row, its chain, its prompt),
 * and in a home of thirty records two of them are above the share already: that is one thing to look at, which the
 * quarantine names, and no sign that the disk as a whole cannot be trusted.
 */
const ALERT_AT_LEAST = 5;

/** Whether so much is damaged that a person must be told at once. Pure. */
export function isAlarming({ corrupt, rate }: Pick<Corruption, 'corrupt' | 'rate'>): boolean {
  return corrupt >= ALERT_AT_LEAST && rate > ALERT_RATE;
}
