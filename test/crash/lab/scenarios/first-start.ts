import { WORK } from '../agents.ts';
import type { Scenario } from '../scenario.ts';

/** A server makes its home, takes its first repository and its first job. */
export const FIRST_START: Scenario = {
  name: 'first-start',
  bare: true,
  act: async (trial) => {
    await trial.world.register();
    trial.notes.set('registered', 'yes');
    const job = await trial.submit('first', WORK);
    await trial.world.awaitState(job.id, 'completed');
  },
  settle: async (trial) => {
    const first = trial.jobs.get('first');
    if (first !== undefined) await trial.world.awaitState(first.id, 'completed');
    const { status } = await trial.world.api('GET', '/v1/repositories/demo');
    if (trial.notes.has('registered') && status !== 200) throw new Error('the repository was registered and is gone');
  },
};
