/** `locks` and `leases` on the command line and the API, with holders that are real. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LeaseView, LockView, PageView, RepositoryView } from '../../src/api/contract.ts';
import { awaitGit, hangSource } from '../support/hang.ts';
import { until } from '../support/poll.ts';
import { testifying } from '../support/testimony.ts';
import { World } from '../support/world.ts';
import { run } from './command.ts';

async function listed<T>(world: World, what: 'locks' | 'leases'): Promise<T[]> {
  const told = await run(world, [what, '--json']);
  assert.equal(told.code, 0, told.stderr);
  const { items } = JSON.parse(told.stdout) as PageView<T>;
  const answer = await world.api('GET', `/v1/${what}`);
  assert.deepEqual([answer.status, (answer.body as PageView<T>).items], [200, items], 'both tell the same');
  return items;
}

test('locks and leases: who holds what, since when and for what, until it is given back', async () => {
  await using world = await World.create();
  await world.start();
  await world.register();
  await until('the mirror is made', async () => {
    const { body } = await world.api('GET', '/v1/repositories/demo');
    return (body as RepositoryView).cloneState === 'ready';
  });
  for (const [what, nothing] of [
    ['locks', /nobody holds a lock/],
    ['leases', /no job is at work/],
  ] as const) {
    const none = await run(world, [what]);
    assert.deepEqual([none.code, none.stdout], [0, '']);
    assert.match(none.stderr, nothing);
    assert.deepEqual(await listed(world, what), []);
  }

  const undo = hangSource(world.repository);
  const held = await world.submitShell(testifying('say never'));
  await awaitGit(world, held);
  const server = await world.readServer();
  const [lock] = await listed<LockView>(world, 'locks');
  assert.deepEqual(
    [lock?.key, lock?.holder?.pid, lock?.jobId, lock?.damaged],
    ['repo:demo', server.pid, held.id, null],
  );
  const table = await run(world, ['locks']);
  assert.match(table.stdout, new RegExp(`^LOCK +HOLDER +SINCE +OPERATION\\nrepo:demo +pid ${server.pid} .*${held.id}`));
  const cleared = await run(world, ['locks', 'clear', 'repo:demo']);
  assert.equal(cleared.code, 5, cleared.stderr);
  assert.match(cleared.stderr, /\[/);
  assert.equal((await listed(world, 'locks')).length, 1, 'a lock of a living holder is not taken away');
  const [preparing] = await listed<LeaseView>(world, 'leases');
  assert.deepEqual([preparing?.key, preparing?.holder], [`workspace:${held.id}`, null]);
  assert.equal((await run(world, ['cancel', '1'])).code, 0);
  await world.awaitState(held.id, 'cancelled');
  await undo();
  assert.deepEqual(await listed(world, 'locks'), []);

  const job = await world.submitShell(testifying('say begun; sleep 600'));
  // Only what does not change any more can be asked for twice and be the same.
  await until('its agent works', async () => (await world.getJob(job.id)).outputBytes > 0);
  const [lease] = await listed<LeaseView>(world, 'leases');
  assert.deepEqual([lease?.key, lease?.number, lease?.repositories], [`workspace:${job.id}`, 2, ['demo']]);
  const keepers = (await world.listKeepers()).map((keeper) => keeper.pid);
  const holder = lease?.holder?.pid ?? 0;
  assert.ok(keepers.includes(holder), `${holder} is none of the keepers ${keepers.join(', ')}`);
  const leases = await run(world, ['leases']);
  assert.match(leases.stdout, new RegExp(`^JOB +LEASE[^\\n]+\\n +2 +workspace:${job.id} +demo +1 +pid ${holder} `));
  assert.equal((await run(world, ['cancel', '2'])).code, 0);
  await world.awaitState(job.id, 'cancelled');
  assert.deepEqual(await listed(world, 'leases'), []);
});
