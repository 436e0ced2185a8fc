import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { until } from '../../../support/poll.ts';
import { LINES, WORK } from '../agents.ts';
import type { Scenario } from '../scenario.ts';
import { promise } from '../watched-world.ts';

/** Dies the first time, so that the mirror holds a tree of it. */
const INTERRUPTED = `echo changed >new.txt; [ -e "$WITNESS/second" ] || { : >"$WITNESS/second"; kill -9 $$; }\n${WORK}`;

/** Of two ended jobs one is removed for good, with its saved tree, its files and its output. */
export const REMOVE_JOB: Scenario = {
  name: 'remove-job',
  prepare: async (trial) => {
    const { id } = await trial.submit('gone', INTERRUPTED);
    const kept = await trial.submit('kept', WORK);
    await trial.world.awaitState(id, 'completed');
    await trial.world.awaitState(kept.id, 'completed');
  },
  act: async (trial) => {
    const { world } = trial;
    const { id } = trial.job('gone');
    promise(world, { removing: id });
    const { status, body } = await world.api('DELETE', `/v1/jobs/${id}`);
    if (status !== 204) throw new Error(`remove: ${status} ${JSON.stringify(body)}`);
    promise(world, { removed: id });
    trial.notes.set('removed', 'yes');
    await until('what was removed is gone', async () => (await readdir(world.home.removals)).length === 0);
  },
  settle: async (trial) => {
    const { world } = trial;
    const [gone, kept] = [trial.job('gone'), trial.job('kept')];
    const { status } = await world.api('GET', `/v1/jobs/${gone.id}`);
    assert.ok(status === 410 || (status === 200 && !trial.notes.has('removed')), `the removed job answers ${status}`);
    if (status === 410)
      await until('nothing of it is left', async () => {
        return !existsSync(world.home.job(gone.id)) && (await readdir(world.home.removals)).length === 0;
      });
    else assert.equal(await world.readOutput(gone.id), LINES, 'it was not removed, but its output is not there');
    assert.equal(await world.readOutput(kept.id), LINES, 'another job lost its output');
    const next = await trial.submit('next', 'true');
    assert.ok(next.number > kept.number, `number ${next.number} is used again`);
    await world.awaitState(next.id, 'completed');
  },
};
