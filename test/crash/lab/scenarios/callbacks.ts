import assert from 'node:assert/strict';
import type { Answering } from '../../../../src/callbacks/sink.fixture.ts';
import type { DeliveryView } from '../../../../src/api/contract.ts';
import { awaitTold, checkTold, TELL_LOOPBACK } from '../../check-callbacks.ts';
import { awaitEnds, LINES, WORK } from '../agents.ts';
import type { Scenario, Trial } from '../scenario.ts';

/** Fails the first try of every third message, so that retries and crashes meet. */
function flaky(): Answering {
  const seen = new Set<string>();
  return ({ id }, response) => {
    const isFirst = !seen.has(id);
    seen.add(id);
    response.writeHead(isFirst && seen.size % 3 === 0 ? 503 : 204).end();
  };
}

/** Two receivers are told of two jobs, one of them cancelled, and one message is sent again by hand. */
export const CALLBACKS: Scenario = {
  name: 'callbacks',
  config: { callbacks: TELL_LOOPBACK },
  act: async (trial) => {
    const { world } = trial;
    const { url } = await trial.openSink(flaky());
    const callbacks = [{ url: `${url}/all` }, { url: `${url}/ends`, events: ['completed', 'cancelled'] }];
    const { id } = await trial.submit('told', WORK, { callbacks });
    const held = await trial.submit('held', WORK, { callbacks, start: false });
    await world.api('POST', `/v1/jobs/${held.id}/cancel`);
    await world.awaitState(id, 'completed');
    await awaitTold(world);
    const { items } = (await world.api('GET', '/v1/deliveries?limit=200')).body as { items: DeliveryView[] };
    const last = items.find(({ type }) => type === 'job.completed');
    if (last === undefined) throw new Error('nobody is told of the end');
    trial.notes.set('redelivered', last.id);
    await world.api('POST', `/v1/deliveries/${last.id}/redeliver`);
    await awaitTold(world);
  },
  settle: async (trial) => {
    await awaitEnds(trial, { told: ['completed', 0, LINES] }, ['told']);
    await awaitTold(trial.world);
  },
  check: async (trial) => {
    if (trial.jobs.size === 0) return;
    await checkTold(trial.world, trial.sink, { redelivered: listRedelivered(trial) });
    assert.ok(trial.sink.received.length > 0, 'nobody was told');
  },
};

function listRedelivered(trial: Trial): string[] {
  const id = trial.notes.get('redelivered');
  return id === undefined ? [] : [id];
}
