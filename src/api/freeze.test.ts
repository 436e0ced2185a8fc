import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asProblem, makeServer, submit } from './api.fixture.ts';
import type { JobView } from './contract.ts';

test('a job is frozen and unfrozen, says so, and names the way back', async () => {
  await using running = await makeServer();
  const { id } = await submit(running);
  const act = async (verb: string): Promise<JobView> => {
    const answer = await running.call('POST', `/v1/jobs/${id}/${verb}`);
    assert.equal(answer.status, 200, answer.text);
    return answer.json<JobView>();
  };
  for (let twice = 0; twice < 2; twice++) {
    const frozen = await act('freeze');
    assert.deepEqual([frozen.frozen, frozen.state, frozen.queuePosition], [true, 'queued', 1]);
    assert.deepEqual([frozen.nextSafeAction, frozen.waitingFor[0]?.what], ['unfreeze', 'unfreeze']);
  }
  const free = await act('unfreeze');
  assert.deepEqual([free.frozen, free.nextSafeAction, free.waitingFor], [false, 'wait', []]);
  await act('freeze');
  const cancelled = await act('cancel');
  assert.deepEqual([cancelled.state, cancelled.frozen, cancelled.nextSafeAction], ['cancelled', true, 'none']);
  assert.deepEqual([(await act('retry')).frozen, (await act('unfreeze')).frozen], [true, false]);
  await act('cancel');
  asProblem(await running.call('POST', `/v1/jobs/${id}/freeze`), 409, 'state-conflict');
  asProblem(await running.call('POST', '/v1/jobs/999/freeze'), 404, 'job-not-found');
  const token = `job-token:${id}`;
  assert.ok([401, 403].includes((await running.call('POST', `/v1/jobs/${id}/unfreeze`, { token })).status));
});
