/** A workspace that vanished behind the server's back: what needs it says so, nothing else is concerned. */
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { test } from 'node:test';
import { World } from '../support/world.ts';
import { run } from './command.ts';

test('the diff of a job whose workspace vanished is a clear error; the job, its output and others stay', async () => {
  await using world = await World.create();
  await world.start();
  await world.register();
  const [lost, kept] = [await world.submitShell('echo out; echo x >new'), await world.submitShell('echo y >new')];
  for (const job of [lost, kept]) await world.awaitState(job.id, 'completed');
  assert.match((await run(world, ['diff', String(lost.number)])).stdout, /^\+x$/m);
  await rm(world.home.workspace(lost.id), { recursive: true });

  const answer = await world.api('GET', `/v1/jobs/${lost.id}/diff`);
  const { code, detail } = answer.body as { code: string; detail: string };
  assert.deepEqual([answer.status, code, detail], [409, 'workspace-unsafe', 'the workspace is missing']);
  const told = await run(world, ['diff', String(lost.number)]);
  assert.deepEqual([told.code, told.stdout], [8, '']);
  assert.match(told.stderr, /the workspace is missing/);
  assert.equal((await world.getJob(lost.id)).state, 'completed');
  assert.equal(await world.readOutput(lost.id), 'out\n');
  assert.match((await run(world, ['diff', String(kept.number)])).stdout, /^\+y$/m);
  const { items } = (await world.api('GET', '/v1/orphans')).body as { items: { kind: string; jobId: string | null }[] };
  assert.deepEqual(
    items.filter(({ kind }) => kind === 'missing-workspace').map(({ jobId }) => jobId),
    [lost.id],
  );
});
