import { awaitEnds, LINES, WORK } from '../agents.ts';
import type { Scenario } from '../scenario.ts';

/** Two jobs are submitted, run, print, and end: one well, one with exit code 3. */
export const RUN: Scenario = {
  name: 'run',
  act: async (trial) => {
    await trial.submit('good', WORK, { prompt: 'do it well' });
    await trial.submit('bad', `${WORK}\nexit 3`);
    await awaitEnds(trial);
  },
  settle: async (trial) => {
    await awaitEnds(trial, { good: ['completed', 0, LINES], bad: ['failed', 3, LINES] });
  },
};
