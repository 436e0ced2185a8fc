/** A source that hangs, is down or is gone: the lock is free again, git is dead, the job waits or says what to do. */
import assert from 'node:assert/strict';
import { rename } from 'node:fs/promises';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { test } from 'node:test';
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import { awaitGit, findOperation, hangSource } from '../support/hang.ts';
import { until } from '../support/poll.ts';
import { readStarts, testifying } from '../support/testimony.ts';
import { World } from '../support/world.ts';
import { checkInvariants } from './invariants.ts';

const FAST = { limits: { agentsPerHost: 4, fetch: { wallMs: '1500ms', cloneMs: '5s', idleMs: '1s' } } };

test(
  'a fetch that hangs is ended, its jobs wait, and go on when the source answers',
  { timeout: 120_000 },
  async () => {
    await using world = await World.create();
    await world.configure(FAST);
    await world.start();
    await world.register();
    await world.registerAnother('lib');
    await world.awaitState((await world.submitShell(testifying('say first'))).id, 'completed');
    const unhang = hangSource(world.repository);
    const jobs = [await world.submitShell(testifying('say one')), await world.submitShell(testifying('say two'))];
    const [leader] = jobs;
    assert.ok(leader !== undefined);
    await awaitGit(world, leader);
    // The others of the repository give up with the leader instead of hanging one after the other.
    for (const job of jobs) {
      await until('it waits for the source', async () => {
        const { state, waitingFor } = await world.getJob(job.id);
        return state === 'queued' && waitingFor.some(({ what }) => what === 'source:demo');
      });
      assert.deepEqual(findOperation(job), []);
    }
    assert.deepEqual(((await world.api('GET', '/v1/locks')).body as { items: unknown[] }).items, []);
    await world.awaitState((await world.submitShell(testifying('say other'), { repository: 'lib' })).id, 'completed');
    const repository = (await world.api('GET', '/v1/repositories/demo')).body as {
      trouble: { why: string; failures: number };
    };
    assert.match(repository.trouble.why, /does not answer/);
    assert.ok(repository.trouble.failures >= 1);
    // A start asks again at once, and the pause goes on growing.
    await world.kill();
    await world.start();
    await until('it failed again', async () => {
      const now = (await world.api('GET', '/v1/repositories/demo')).body as { trouble: { failures: number } | null };
      return (now.trouble?.failures ?? 0) > repository.trouble.failures;
    });
    await unhang();
    for (const job of jobs) await world.awaitState(job.id, 'completed');
    assert.deepEqual(
      (await readStarts(world)).filter(({ job }) => jobs.some(({ id }) => id === job)).map(({ job }) => job),
      jobs.map(({ id }) => id),
    );
    const healed = (await world.api('GET', '/v1/repositories/demo')).body as { trouble: unknown };
    assert.equal(healed.trouble, null);
    await checkInvariants(world);
  },
);

test('a source that takes the connection and says nothing is given up', { timeout: 120_000 }, async () => {
  const sockets: Socket[] = [];
  const sink = createServer((socket) => void sockets.push(socket.on('error', () => undefined)));
  await new Promise<void>((resolve) => void sink.listen(0, '127.0.0.1', resolve));
  try {
    await using world = await World.create();
    await world.configure(FAST);
    await world.start();
    await world.kill();
    await addUrl(world, `https://127.0.0.1:${(sink.address() as AddressInfo).port}/demo.git`);
    await world.start();
    const job = await world.submitShell(testifying('say later'));
    await until('it waits for the source', async () =>
      (await world.getJob(job.id)).waitingFor.some(({ what }) => what === 'source:demo'),
    );
    assert.ok(sockets.length > 0, 'nobody connected');
    assert.deepEqual(findOperation(job), []);
    assert.equal((await world.api('POST', `/v1/jobs/${job.id}/cancel`)).status, 200);
    await world.awaitState(job.id, 'cancelled');
  } finally {
    for (const socket of sockets) socket.destroy();
    sink.close();
  }
});

test(
  'a source that was moved blocks its job with what to do; put back, a retry runs',
  { timeout: 120_000 },
  async () => {
    await using world = await World.create();
    await world.start();
    await world.register();
    await world.awaitState((await world.submitShell(testifying('say first'))).id, 'completed');
    await rename(world.repository, `${world.repository}.away`);
    const job = await world.submitShell(testifying('say later'));
    const blocked = await world.awaitState(job.id, 'blocked');
    assert.equal(blocked.reason, 'source_unreachable');
    assert.match(blocked.blocker ?? '', /is gone, was moved, or may not be read/);
    assert.equal(blocked.nextSafeAction, 'retry');
    assert.deepEqual(((await world.api('GET', '/v1/locks')).body as { items: unknown[] }).items, []);
    await world.kill();
    await world.start();
    assert.equal((await world.getJob(job.id)).state, 'blocked');
    await rename(`${world.repository}.away`, world.repository);
    assert.equal((await world.api('POST', `/v1/jobs/${job.id}/retry`)).status, 200);
    await world.awaitState(job.id, 'completed');
    await checkInvariants(world);
  },
);

/** A registration as it was made while the source still answered. */
async function addUrl(world: World, source: string): Promise<void> {
  const store = openSqliteStore({ path: world.home.database });
  await store.start();
  const settings = { verify: [], merge: false, trusted: false, concurrency: 3, command: null };
  await store.addRepository({ name: 'demo', source, sourceKind: 'url', base: 'main', ...settings });
  await store.stop();
}
