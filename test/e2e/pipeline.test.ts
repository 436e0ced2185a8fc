/** A job of the whole pipeline with real agents: implement, verify, fix, review, hand-off. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { World } from '../support/world.ts';

const COMMIT = { commit: 'work' };

test('work that fails its gate is fixed, reviewed and handed off', async () => {
  await using world = await World.create();
  await world.start();
  await world.register({ verify: [['sh', '-c', 'grep -q good answer || { echo "the answer is bad"; exit 1; }']] });
  const scenario = {
    steps: [{ write: { path: 'answer', content: 'bad' } }, COMMIT],
    tasks: { fix: [[{ write: { path: 'answer', content: 'good' } }, COMMIT]] },
  };
  const { body } = await world.api('POST', '/v1/jobs', {
    repository: 'demo',
    prompt: JSON.stringify(scenario),
    agent: 'scripted',
    pipeline: 'full',
  });
  const job = body as { id: string; number: number };
  const end = await world.awaitState(job.id, 'ready');
  assert.deepEqual([end.state, end.stage, end.outcome], ['ready', 'handoff', 'success']);
});
