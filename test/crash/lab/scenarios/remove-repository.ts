import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { until } from '../../../support/poll.ts';
import type { Scenario } from '../scenario.ts';

/** A second repository is registered, used, and removed with everything that belongs to it. */
export const REMOVE_REPOSITORY: Scenario = {
  name: 'remove-repository',
  act: async (trial) => {
    const { world } = trial;
    const answer = await world.api('POST', '/v1/repositories', { name: 'spare', source: world.repository });
    if (answer.status !== 201) throw new Error(`register: ${JSON.stringify(answer.body)}`);
    trial.notes.set('registered', (answer.body as { id: string }).id);
    await trial.world.awaitState((await trial.submit('used', 'say used', { repository: 'spare' })).id, 'completed');
    const removed = await world.api('DELETE', '/v1/repositories/spare');
    if (removed.status < 300) trial.notes.set('removed', 'yes');
    await isSwept(trial.world.home.removals);
  },
  settle: async (trial) => {
    const { world } = trial;
    const used = trial.jobs.get('used');
    if (used !== undefined) await world.awaitState(used.id, 'completed');
    const { status } = await world.api('GET', '/v1/repositories/spare');
    if (trial.notes.has('removed')) assert.equal(status, 404, 'it was removed and is back');
    await isSwept(world.home.removals);
    const id = trial.notes.get('registered');
    if (status === 404 && id !== undefined) await until('its mirror is gone', () => !existsSync(world.home.mirror(id)));
  },
};

async function isSwept(removals: string): Promise<void> {
  await until('what was removed is gone', async () => (await readdir(removals)).length === 0);
}
