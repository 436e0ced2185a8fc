import { awaitEnds, awaitOutput, LINES, WORK } from '../agents.ts';
import type { Scenario } from '../scenario.ts';

/** A server dies with one job at work, one that ends while nobody looks, and one that waits; the next one dies as well. */
export const RECOVER: Scenario = {
  name: 'recover',
  prepare: async (trial) => {
    await trial.submit('long', `${WORK}\nsleep 0.6`);
    await trial.submit('short', 'say short');
    await trial.submit('held', WORK, { start: false });
    await awaitOutput(trial, 'long');
  },
  act: async (trial) => {
    await awaitEnds(trial, {}, ['long', 'short']);
  },
  settle: async (trial) => {
    await awaitEnds(trial, { long: ['completed', 0, LINES], short: ['completed', 0, 'short\n'] }, ['long', 'short']);
    const { id } = trial.job('held');
    await trial.world.api('POST', `/v1/jobs/${id}/start`);
    await trial.world.awaitState(id, 'completed');
  },
};
