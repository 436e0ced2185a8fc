/** A lock that cannot be trusted stops its own repository, says how to go on, and nobody else notices. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { awaitGit, findOperation, hangSource } from '../support/hang.ts';
import { until } from '../support/poll.ts';
import { tamper } from '../support/tamper.ts';
import { testifying } from '../support/testimony.ts';
import { World } from '../support/world.ts';
import { checkInvariants } from './invariants.ts';

interface LockItem {
  key: string;
  damaged: string | null;
  jobId: string | null;
  operation: string | null;
}

test('a damaged lock makes only its repository unavailable, until it is cleared', { timeout: 120_000 }, async () => {
  await using world = await World.create();
  await world.start();
  await world.register();
  await world.registerAnother('lib');
  await world.awaitState((await world.submitShell(testifying('say first'))).id, 'completed');
  const unhang = hangSource(world.repository);
  const waiting = await world.submitShell(testifying('say waiting'));
  await awaitGit(world, waiting);
  assert.deepEqual(
    (await readLocks(world)).map(({ key, jobId }) => [key, jobId]),
    [['repo:demo', waiting.id]],
  );
  const refused = await world.api('DELETE', '/v1/locks/repo%3Ademo');
  assert.deepEqual([refused.status, (refused.body as { code: string }).code], [409, 'lock-held']);
  await world.kill();
  await unhang();
  tamper(world, `UPDATE locks SET holder = '{"pid":"nobody"}'`);

  await world.start();
  assert.deepEqual(findOperation(waiting), []);
  await world.awaitState((await world.submitShell(testifying('say other'), { repository: 'lib' })).id, 'completed');
  const job = await world.getJob(waiting.id);
  assert.deepEqual(
    [job.state, job.phase, job.waitingFor.map(({ what }) => what)],
    ['queued', 'waiting', ['repository:demo']],
  );
  assert.match(job.waitingFor[0]?.why ?? '', /holdfast locks clear repo:demo/);
  const [lock] = await readLocks(world);
  assert.match(lock?.damaged ?? '', /not a process/);
  const report = await world.readReport();
  assert.ok(report.locks.some(({ key, why }) => key === 'repo:demo' && why.startsWith('damaged')));
  assert.match(JSON.stringify(report.degraded), /lock:demo/);
  assert.match(JSON.stringify(report.corruption), /repo:demo/);

  // A second start finds the same; a person clears it, and the waiting job runs.
  await world.kill();
  await world.start();
  assert.equal((await world.getJob(waiting.id)).state, 'queued');
  assert.equal((await world.api('DELETE', '/v1/locks/repo%3Ademo')).status, 204);
  // Nobody has it, or by now the waiting job: that one is not taken away.
  const again = await world.api('DELETE', '/v1/locks/repo%3Ademo');
  assert.ok(again.status === 404 || (again.body as { code: string }).code === 'lock-held', JSON.stringify(again));
  await world.awaitState(waiting.id, 'completed');
  await checkInvariants(world);
});

test('a lock row damaged under a running server stops its repository, too', { timeout: 120_000 }, async () => {
  await using world = await World.create();
  await world.start();
  await world.register();
  await world.awaitState((await world.submitShell(testifying('say first'))).id, 'completed');
  tamper(
    world,
    `INSERT INTO locks (key, boot, holder, operation, job_id, acquired_at, fence) VALUES ('repo:demo', '', '{}', '', NULL, 1, 1)`,
  );
  const job = await world.submitShell(testifying('say later'));
  await until('its repository is unavailable', async () =>
    (await world.getJob(job.id)).waitingFor.some(({ what }) => what === 'repository:demo'),
  );
  const { items } = (await world.api('GET', '/v1/leases')).body as { items: unknown[] };
  assert.deepEqual(items, []);
  assert.equal((await world.api('DELETE', '/v1/locks/repo%3Ademo')).status, 204);
  await world.awaitState(job.id, 'completed');
  await checkInvariants(world);
});

async function readLocks(world: World): Promise<LockItem[]> {
  return ((await world.api('GET', '/v1/locks')).body as { items: LockItem[] }).items;
}
