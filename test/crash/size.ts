/** Whether this run takes every point (`npm run test:crash`) or the sample that belongs to every run. */
export const isFull = process.env['HOLDFAST_CRASH'] === 'all';

/** Returns the cases this run takes: all of them, or those that belong to every run. */
export function choose<T extends { always: boolean }>(cases: readonly T[]): readonly T[] {
  return isFull ? cases : cases.filter((one) => one.always);
}
