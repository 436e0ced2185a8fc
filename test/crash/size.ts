/** Whether this run takes every point (`npm run test:crash`) or the sample that belongs to every run. */
export const isFull = process.env['HOLDFAST_CRASH'] === 'all';
