import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { delay } from '../../kernel/backoff.ts';
import { addDemo, makeServer, submit, work, type Running } from '../api.fixture.ts';
import type { JobView, PageView, Problem, StatisticsPageView } from '../contract.ts';

async function read(server: Running, query = ''): Promise<StatisticsPageView> {
  const answer = await server.call('GET', `/v1/statistics${query}`);
  assert.equal(answer.status, 200, answer.text);
  return answer.json<StatisticsPageView>();
}

/** Statistics once everything that is in the journal now is counted. */
async function readAll(server: Running, query = ''): Promise<StatisticsPageView> {
  const last = await server.store.getLastSeq();
  for (const until = performance.now() + 30_000; performance.now() < until; await delay(10)) {
    const page = await read(server, query);
    if (page.complete && page.throughSeq >= last) return page;
  }
  assert.fail('the journal was not counted');
}

async function play(server: Running, count: number, body: Record<string, unknown> = {}): Promise<void> {
  for (let n = 0; n < count; n++) await (await work(server, (await submit(server, body)).id)).finish();
}

describe('GET /v1/statistics', () => {
  it('tells how jobs ended and how long they took, by repository and agent', async () => {
    await using server = await makeServer();
    await addDemo(server.store, 'other');
    assert.deepEqual((await readAll(server)).items, []);
    await play(server, 3);
    await play(server, 1, { repository: 'other', agent: 'exec', command: ['true'] });
    await (await work(server, (await submit(server)).id)).finish('fail', 1);
    await server.call('POST', `/v1/jobs/${(await submit(server)).id}/cancel`);
    const { items, nextCursor } = await readAll(server);
    assert.equal(nextCursor, null);
    assert.deepEqual(
      items.map(({ repository, agent, ended, failureRate }) => ({ repository, agent, ended, failureRate })),
      [
        {
          repository: 'demo',
          agent: 'scripted',
          ended: { success: 3, failure: 1, cancelled: 1, timed_out: 0 },
          failureRate: 0.25,
        },
        {
          repository: 'other',
          agent: 'exec',
          ended: { success: 1, failure: 0, cancelled: 0, timed_out: 0 },
          failureRate: 0,
        },
      ],
    );
    const { stages } = items[0] ?? assert.fail();
    for (const durations of Object.values(stages)) assert.equal(durations?.samples, 4);
    assert.deepEqual((await read(server, '?repository=other')).items.length, 1);
    assert.deepEqual((await read(server, '?agent=scripted&repository=other')).items, []);
    const wrong = await server.call('GET', '/v1/statistics?stage=running');
    assert.equal(wrong.status, 400);
    assert.match(wrong.json<Problem>().detail, /stage/);
  });
});

describe('the estimate of a job', () => {
  it('is absent until five jobs have ended, and then says what was counted', async () => {
    await using server = await makeServer();
    await play(server, 4);
    await readAll(server);
    const held = await submit(server, { start: false });
    const show = async (): Promise<JobView> => (await server.call('GET', `/v1/jobs/${held.id}`)).json<JobView>();
    assert.equal(held.estimate, null);
    assert.equal((await show()).estimate, null);
    await play(server, 1);
    const { items } = await readAll(server);
    const { p50Ms, p90Ms } = items[0]?.stages.running ?? assert.fail();
    const usual = { durationP50Ms: p50Ms, durationP90Ms: p90Ms, samples: 5 };
    assert.deepEqual((await show()).estimate, { startInMs: null, remainingMs: null, ...usual });
    const ended = (await server.call('GET', '/v1/jobs?state=completed')).json<PageView<JobView>>();
    assert.deepEqual([...new Set(ended.items.map(({ estimate }) => estimate))], [null]);
  });

  it('tells when each waiting job begins, and of none that waits for something else', async () => {
    await using server = await makeServer();
    await addDemo(server.store, 'shut');
    await server.store.updateRepository('shut', { unavailable: 'gone' }, 'test');
    const first = await submit(server);
    await submit(server, { repository: 'shut' });
    const { items } = (await server.call('GET', '/v1/queue')).json<PageView<JobView>>();
    const usual = { remainingMs: null, durationP50Ms: null, durationP90Ms: null, samples: 0 };
    assert.equal(items[0]?.id, first.id);
    assert.deepEqual(
      items.map(({ estimate }) => estimate),
      [{ startInMs: 0, ...usual }, null],
    );
  });
});
