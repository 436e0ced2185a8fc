import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { awaitOutput, WORK } from '../agents.ts';
import type { Scenario } from '../scenario.ts';

/** A job at work is cancelled, and tried again; a held one is cancelled before it ever ran. */
export const CANCEL_AND_RETRY: Scenario = {
  name: 'cancel-and-retry',
  act: async (trial) => {
    const { world } = trial;
    const { id } = await trial.submit('job', `say begun; [ -e "$WITNESS/second" ] || sleep 5\n${WORK}`);
    const held = await trial.submit('held', WORK, { start: false });
    await awaitOutput(trial, 'job');
    await writeFile(join(world.witness, 'second'), '');
    const asked = await world.api('POST', `/v1/jobs/${id}/cancel`);
    if (asked.status === 202 || asked.status === 200) trial.notes.set('cancelled', 'asked');
    await world.awaitState(id, 'cancelled');
    const gone = await world.api('POST', `/v1/jobs/${held.id}/cancel`);
    if (gone.status === 202 || gone.status === 200) trial.notes.set('held', 'cancelled');
    const again = await world.api('POST', `/v1/jobs/${id}/retry`);
    if (again.status === 202 || again.status === 200) trial.notes.set('retried', 'asked');
    await world.awaitState(id, 'completed');
  },
  settle: async (trial) => {
    const { world } = trial;
    const job = trial.jobs.get('job');
    if (job === undefined) return;
    const ended = await world.awaitState(job.id, 'completed', 'cancelled');
    // What was answered stays true; what was not answered may have happened or not.
    if (trial.notes.has('retried')) assert.equal(ended.state, 'completed');
    const held = trial.jobs.get('held');
    if (held === undefined) return;
    const { state } = await world.getJob(held.id);
    assert.ok(trial.notes.has('held') ? state === 'cancelled' : ['created', 'cancelled'].includes(state), state);
  },
};
