import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newJob } from '../../src/store/conformance/fixtures.ts';
import { composeServer } from '../../src/server/compose.ts';
import { readConfig } from '../../src/server/config.ts';
import { prepareHome } from '../../src/server/prepare-home.ts';
import { until } from '../support/poll.ts';
import { World } from '../support/world.ts';

const SILENT = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const JOB = newJob({ repository: 'demo', prompt: 'sleep 600', command: ['sleep', '600'], agent: 'exec' });

/** One commit may hold the claim and the wish: the wish is told to everybody before the claimant has its answer. */
test('a wish to cancel in the same commit as the claim is not lost', { timeout: 120_000 }, async () => {
  await using world = await World.create();
  await prepareHome(world.home);
  const config = await readConfig(world.home.configFile, false);
  const parts = composeServer({
    home: world.home,
    config,
    log: SILENT,
    token: 'a token of 16 characters',
    failpoints: undefined,
  });
  const { store } = parts.ctx;
  await store.start();
  try {
    await parts.supervisor.start();
    await parts.repositories.register({ name: 'demo', source: world.repository });
    const { job } = await store.acceptJob(JOB);
    const [[claimed]] = await Promise.all([
      store.claimJobs({ boot: parts.ctx.boot, hostLimit: 1, max: 1 }),
      store.requestCancel(job.id, 'client'),
    ]);
    assert.ok(claimed?.state === 'preparing' && claimed.cancelRequestedAt === null);
    parts.supervisor.begin(claimed);
    await until('the job is cancelled', async () => (await store.getJob(job.id))?.state === 'cancelled');
    await until('nothing of it lives', async () => (await world.listProcesses()).length === 0);
  } finally {
    parts.closing.abort(new Error('the test is over'));
    await parts.supervisor.stop();
    await store.stop();
  }
});
