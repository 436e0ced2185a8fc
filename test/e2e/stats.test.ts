/** Statistics and estimates by command line, against a real server and real agents. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StatisticsPageView } from '../../src/api/contract.ts';
import { until } from '../support/poll.ts';
import { World, type JobView } from '../support/world.ts';
import { run } from './command.ts';

type Told = JobView & { estimate: { startInMs: number | null; remainingMs: number | null; samples: number } | null };

test('stats, and the estimates of show and queue', { timeout: 120_000 }, async () => {
  await using world = await World.create();
  await world.configure({ limits: { agentsPerHost: 2 } });
  await world.start();
  await world.register();
  const none = await run(world, ['stats']);
  assert.deepEqual([none.code, none.stdout], [0, ''], none.stderr);
  assert.match(none.stderr, /no job has ended yet/);
  const quick = await Promise.all([0, 1, 2, 3, 4].map(() => world.submitShell('sleep 0.3')));
  for (const { id } of quick) await world.awaitState(id, 'completed');
  const failed = await world.submit({ agent: 'scripted', prompt: JSON.stringify({ steps: [{ exit: 3 }] }) });
  await world.awaitState(failed.id, 'failed');
  const page = await until('six are counted', async () => {
    const { stdout } = await run(world, ['stats', '--json']);
    const document = JSON.parse(stdout) as StatisticsPageView;
    return document.items.reduce((sum, { ended }) => sum + ended.success + ended.failure, 0) === 6 ? document : null;
  });
  assert.deepEqual(
    page.items.map(({ agent, failureRate }) => [agent, failureRate]),
    [
      ['exec', 0],
      ['scripted', 1],
    ],
  );
  const ran = page.items[0]?.stages.running;
  assert.ok(ran?.samples === 5 && ran.p50Ms >= 290 && ran.p90Ms >= ran.p50Ms, JSON.stringify(ran));
  const table = await run(world, ['stats', '--repo', 'demo', '--agent', 'exec']);
  assert.match(table.stdout, /^REPOSITORY +AGENT +ENDED [^]*\ndemo +exec +5 +5 +0 +0 +0 % .* 5\n$/);
  const other = await run(world, ['stats', '--repo', 'other']);
  assert.equal(other.stdout, '');

  const [long, , next] = await Promise.all([0, 1, 2].map((n) => world.submitShell(`sleep ${600 + n}`)));
  assert.ok(long !== undefined && next !== undefined);
  const jobs = [long, next].toSorted((a, b) => a.number - b.number);
  await until('two run and one waits', async () => {
    const states = ((await world.api('GET', '/v1/jobs?limit=3')).body as { items: JobView[] }).items.map(
      (one) => one.state,
    );
    return states.toSorted().join() === 'queued,running,running';
  });
  const shown = await until('its run is longer than usual', async () => {
    const { stdout } = await run(world, ['show', String(jobs[0]?.number)]);
    return stdout.includes('longer than nine of ten') ? stdout : null;
  });
  assert.match(shown, /^estimate +usually .* here \(P50–P90 of 5 runs\), longer than nine of ten$/m);
  // Nobody knows when a place gets free: that is not told, and nothing is made up.
  const queue = await until('nobody can tell any more', async () => {
    const { items } = JSON.parse((await run(world, ['queue', '--json'])).stdout) as { items: Told[] };
    return items.length === 1 && items[0]?.estimate?.startInMs === null ? items[0] : null;
  });
  assert.equal(queue.estimate?.samples, 5);
  assert.match((await run(world, ['queue'])).stdout, /BEGINS +QUEUED\n.* its turn +– /);
});
