/** Jobs that come after others, by HTTP: how they are named, what is told of them, and packets that depend on them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asProblem, makeServer, submit, work, type Answer, type Running } from './api.fixture.ts';
import type { JobView, PageView } from './contract.ts';

const PACKET = {
  title: 'Greet everybody',
  goal: 'There is a file that greets everybody who reads it.',
  acceptance: ['the file greeting exists'],
  scope: ['greeting'],
  risk: 'low',
};

async function show(running: Running, { id }: JobView): Promise<JobView> {
  return (await running.call('GET', `/v1/jobs/${id}`)).json<JobView>();
}

test('a job waits for those it names, says for whom and where they are, and has its place after them', async () => {
  await using running = await makeServer();
  const first = await submit(running);
  const held = await submit(running, { start: false });
  const job = await submit(running, { after: [1, held.id], callbacks: [{ url: 'https://hook.example/' }] });
  assert.deepEqual([job.state, job.phase, job.queuePosition, job.queuedAt], ['waiting', 'waiting', null, null]);
  assert.deepEqual([job.after, job.nextSafeAction], [[first.id, held.id], 'wait']);
  const why = (where: string): string => `it comes after that one, which ${where}`;
  const waitingFor = [
    { what: 'job:1', why: why('is queued') },
    { what: 'job:2', why: why('is held') },
  ];
  assert.deepEqual(job.waitingFor, waitingFor);
  const listed = (await running.call('GET', '/v1/jobs?state=waiting')).json<PageView<JobView>>();
  assert.deepEqual(
    listed.items.map((one) => [one.number, one.waitingFor]),
    [[3, waitingFor]],
  );
  const queue = (await running.call('GET', '/v1/queue')).json<PageView<JobView>>();
  assert.deepEqual(
    queue.items.map(({ number }) => number),
    [1],
  );
  assert.deepEqual((await running.store.deliveryStats()).byState.pending, 0, 'nobody is told that it waits');
  await running.call('POST', `/v1/jobs/${held.id}/cancel`);
  const blocked = await show(running, job);
  assert.deepEqual([blocked.state, blocked.reason, blocked.nextSafeAction], ['blocked', 'dependency_failed', 'retry']);
  assert.equal(blocked.blocker, 'job 2, after which it comes, was cancelled');
  await running.call('POST', `/v1/jobs/${job.id}/retry`);
  assert.deepEqual((await show(running, job)).waitingFor, waitingFor.slice(0, 1));
  await (await work(running, first.id)).finish('complete', 0);
  const queued = await show(running, job);
  assert.deepEqual([queued.state, queued.queuePosition, queued.waitingFor], ['queued', 1, []]);
  const types = await running.store.listDeliveries({ jobId: job.id });
  assert.deepEqual(types.items.map(({ type }) => type).toReversed(), ['job.blocked', 'job.queued']);
});

test('a job it should come after and that is not there is said so, and nothing is accepted', async () => {
  await using running = await makeServer();
  const { id } = await submit(running);
  const refuse = (after: unknown): Promise<Answer> =>
    running.call('POST', '/v1/jobs', { body: { repository: 'demo', prompt: 'x', after } });
  asProblem(await refuse(['1', '99']), 404, 'job-not-found');
  assert.equal((await refuse(Array.from({ length: 101 }, () => id))).status, 400);
  assert.equal((await refuse('1')).status, 400);
  assert.equal((await running.call('GET', '/v1/jobs')).json<PageView<JobView>>().items.length, 1);
});

test('to clients of the batch API who waits for others is queued, without a place', async () => {
  await using running = await makeServer();
  const [first, second] = [await submit(running), await submit(running, { after: ['1'] })];
  const { jobs } = (await running.call('GET', '/jobs?status=queued')).json<{
    jobs: { jobId: string; status: string; queuePosition: number | null }[];
  }>();
  assert.deepEqual(
    jobs.map(({ jobId, status, queuePosition }) => [jobId, status, queuePosition]),
    [
      [first.id, 'queued', 1],
      [second.id, 'queued', null],
    ],
  );
});

test('a packet comes after the jobs it depends on; names must come with the jobs they stand for', async () => {
  await using running = await makeServer();
  const first = await submit(running);
  const send = (dependencies: string[], more: object = {}): Promise<JobView> =>
    submit(running, { prompt: undefined, packet: { ...PACKET, dependencies }, ...more });
  const told = ({ state, reason, after }: JobView): unknown[] => [state, reason, after];
  assert.deepEqual(told(await send(['1', first.id])), ['waiting', null, [first.id]]);
  const weak = await send(['setup', '1']);
  assert.deepEqual(told(weak), ['blocked', 'weak_packet', [first.id]]);
  assert.equal(weak.blocker, 'it depends on setup, and nothing says which jobs these are: send it with `after`');
  assert.deepEqual(told(await send(['setup'], { after: ['1'] })), ['waiting', null, [first.id]]);
  const [one, two] = [await send(['setup'], { after: ['1'] }), await send(['setup'], { after: [first.id] })];
  assert.equal(one.packetSha256, two.packetSha256, 'whom it waits for is no part of the packet');
});
