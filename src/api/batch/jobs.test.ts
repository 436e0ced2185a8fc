import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { asProblem, makeServer, submit, work, type Running } from '../api.fixture.ts';
import type { BatchJobItem, BatchJobView } from './contract.ts';
import { readOutput } from './read-output.ts';

interface Created {
  jobId: string;
  sessionId: string;
  status: string;
  ignored: string[];
}

async function create(running: Running, body: Record<string, unknown> = {}): Promise<Created> {
  const answer = await running.call('POST', '/jobs', { body: { prompt: 'work', repository: 'demo', ...body } });
  assert.equal(answer.status, 201, answer.text);
  return answer.json<Created>();
}

async function show(running: Running, id: string): Promise<BatchJobView> {
  return (await running.call('GET', `/jobs/${id}`)).json<BatchJobView>();
}

async function list(running: Running, query = ''): Promise<{ jobs: BatchJobItem[]; nextCursor: string | null }> {
  const answer = await running.call('GET', `/jobs${query}`);
  assert.equal(answer.status, 200, answer.text);
  return answer.json();
}

const idsOf = (jobs: readonly { jobId: string }[]): string[] => jobs.map(({ jobId }) => jobId);

test('a created job stays out of the queue until it is started, and tells its place then', async () => {
  await using running = await makeServer();
  const first = await create(running, {
    options: { agentEngine: 'scripted', timeout: 90, gitAware: true },
    images: [],
  });
  assert.deepEqual([first.status, first.sessionId], ['created', first.jobId]);
  assert.deepEqual(first.ignored, ['images', 'options.gitAware'], 'what means nothing here is named');
  assert.equal((await running.store.getJob(first.jobId))?.limits.wallMs, 90_000);
  const second = await create(running);
  assert.deepEqual((await list(running, '?status=queued')).jobs, []);
  for (const [index, job] of [second, first].entries()) {
    const started = (await running.call('POST', `/jobs/${job.jobId}/start`)).json();
    assert.deepEqual(started, { jobId: job.jobId, status: 'queued', queuePosition: index + 1 });
  }
  const queued = await list(running, '?status=queued');
  assert.deepEqual(
    queued.jobs.map(({ jobId, queuePosition }) => [jobId, queuePosition]),
    [
      [second.jobId, 1],
      [first.jobId, 2],
    ],
    'the order of the starts',
  );
  asProblem(await running.call('POST', `/jobs/${first.jobId}/start`), 409, 'state-conflict');
  const cancelled = await running.call('POST', `/jobs/${second.jobId}/cancel`);
  assert.deepEqual(cancelled.json(), { jobId: second.jobId, status: 'cancelled', queuePosition: null });
  assert.equal((await show(running, first.jobId)).queuePosition, 1);
});

test('the same idempotency key gives the same job', async () => {
  await using running = await makeServer();
  const body = { prompt: 'work', repository: 'demo' };
  const headers = { 'idempotency-key': 'k1' };
  const one = await running.call('POST', '/jobs', { body, headers });
  const two = await running.call('POST', '/jobs', { body, headers });
  assert.equal(one.text, two.text);
  assert.equal(two.headers.get('idempotency-replayed'), 'true');
  asProblem(
    await running.call('POST', '/jobs', { body: { ...body, prompt: 'else' }, headers }),
    409,
    'idempotency-conflict',
  );
});

test('output is what the file holds, byte for byte, while it grows and after', async () => {
  await using running = await makeServer();
  const { id } = await submit(running);
  const run = await work(running, id);
  assert.deepEqual([(await show(running, id)).output, (await show(running, id)).status], ['', 'running']);
  const euro = Buffer.from('€');
  await run.print('\uFEFFone\r\n\0');
  await run.print(euro.subarray(0, 2));
  const half = await show(running, id);
  assert.deepEqual([half.output, half.outputBytes, half.outputExact], ['\uFEFFone\r\n\0', 11, true]);
  await run.print(euro.subarray(2));
  assert.equal((await show(running, id)).output, '\uFEFFone\r\n\0€');
  await run.print(Buffer.from([0xff, 0x41]));
  const odd = await show(running, id);
  assert.deepEqual([odd.output.endsWith('€\uFFFDA'), odd.outputExact], [true, false], 'and it says what is not text');
  await run.finish('fail', 3);
  const ended = await show(running, id);
  assert.deepEqual([ended.status, ended.exitCode, ended.outputTruncated], ['failed', 3, false]);
  assert.ok(ended.errorMessage !== null && ended.startedAt !== null && ended.completedAt !== null);
});

test('output beyond the limit is its beginning, never a character cut in two', async () => {
  await using running = await makeServer();
  const { id } = await submit(running);
  const run = await work(running, id);
  await run.print('€€€€');
  const job = await run.finish();
  const cut = await readOutput(running.services, job, 7);
  assert.deepEqual(cut, { output: '€€', outputBytes: 12, outputTruncated: true, outputExact: true });
  const whole = await readOutput(running.services, job, 12);
  assert.deepEqual([whole.output, whole.outputTruncated], ['€€€€', false]);
});

test('lists are paged by status, newest first, each job once', async () => {
  await using running = await makeServer();
  const ids: string[] = [];
  for (let i = 0; i < 7; i++) {
    const { id } = await submit(running);
    const run = await work(running, id);
    // Two states of one status, mixed.
    if (i % 2 === 0) await run.finish('fail', 1);
    else {
      const { store } = running;
      const set = { reason: 'needs_human', blocker: 'look' } as const;
      const owner = { fence: run.job.fence, actor: 'test' };
      await store.settleAttempt(
        { id: run.attempt.id, transition: 'finish', ...owner },
        { id, transition: 'block', set, ...owner },
      );
    }
    ids.unshift(id);
  }
  await submit(running);
  const seen: BatchJobItem[] = [];
  let cursor: string | null = '';
  while (cursor !== null) {
    const page = await list(running, `?status=failed&limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`);
    assert.ok(page.jobs.length <= 2);
    seen.push(...page.jobs);
    cursor = page.nextCursor;
  }
  assert.deepEqual(idsOf(seen), ids);
  assert.equal(seen[0]?.errorMessage, 'failed');
  assert.equal(seen[1]?.errorMessage, 'look', 'a job that needs a person is failed here, and says why');
  assert.equal((await list(running)).jobs.length, 8);
  assert.equal((await list(running, '?repository=other')).jobs.length, 0);
  asProblem(await running.call('GET', '/jobs?status=waiting'), 400, 'bad-request');
  asProblem(await running.call('GET', '/jobs?cursor=MTA'), 400, 'bad-request');
});

test('the queue is paged too', async () => {
  await using running = await makeServer();
  const ids: string[] = [];
  for (let i = 0; i < 5; i++) ids.push((await submit(running)).id);
  const first = await list(running, '?status=queued&limit=3');
  const second = await list(running, `?status=queued&limit=3&cursor=${first.nextCursor}`);
  assert.deepEqual([...idsOf(first.jobs), ...idsOf(second.jobs)], ids);
  assert.deepEqual([second.jobs[0]?.queuePosition, second.nextCursor], [4, null]);
});

test('the sentinel view names what its clients read', async () => {
  await using running = await makeServer();
  const { id } = await submit(running);
  asProblem(await running.call('GET', `/jobs/${id}/sentinel`), 404, 'not-found');
  const { attempt } = await work(running, id);
  const lastHeartbeatAt = Date.now();
  const beat = { lastHeartbeatAt, health: 'fresh', pid: 4711, startTime: '99', agent: 'scripted', sessionId: 's1' };
  await writeFile(running.services.sentinelPath(attempt), JSON.stringify({ ...beat, outputBytes: 12 }));
  assert.deepEqual((await running.call('GET', `/jobs/${id}/sentinel`)).json(), {
    jobId: id,
    attempt: 1,
    lastHeartbeat: new Date(lastHeartbeatAt).toISOString(),
    health: 'fresh',
    pid: 4711,
    startTime: '99',
    adaptorEngine: 'scripted',
    sessionId: 's1',
    outputBytes: 12,
  });
});

test('mistakes are told as a problem with the text its clients look for, below every path of theirs', async () => {
  await using running = await makeServer();
  const job = { prompt: 'x', repository: 'demo' };
  const cases: [string, string, unknown, number, string][] = [
    ['POST', '/jobs', { ...job, prompt: '' }, 400, 'bad-prompt'],
    ['POST', '/jobs', { prompt: 'x' }, 400, 'bad-request'],
    ['POST', '/jobs', { ...job, repository: 'none' }, 404, 'repository-not-found'],
    ['POST', '/jobs', { ...job, options: { agentEngine: 'none' } }, 422, 'unknown-agent'],
    ['POST', '/jobs', { ...job, options: { timeout: -1 } }, 400, 'bad-request'],
    ['GET', '/jobs/999', undefined, 404, 'job-not-found'],
    ['POST', '/jobs/999/start', undefined, 404, 'job-not-found'],
    ['GET', '/jobs/1/nothing', undefined, 404, 'not-found'],
    ['POST', '/repositories/register', { name: 'x', gitUrl: '/no/such' }, 422, 'not-a-repository'],
    ['POST', '/repositories/register', { name: 'x' }, 400, 'bad-request'],
  ];
  for (const [method, path, body, status, code] of cases) {
    asProblem(await running.call(method, path, body === undefined ? {} : { body }), status, code);
  }
});

test('repositories are registered and listed under their names', async () => {
  await using running = await makeServer();
  const body = { name: 'lib', gitUrl: running.home.root, description: 'x' };
  const answer = await running.call('POST', '/repositories/register', { body });
  assert.equal(answer.status, 201, answer.text);
  const made = answer.json<Record<string, unknown>>();
  assert.deepEqual(
    [made['name'], made['gitUrl'], made['cloneStatus'], made['ignored']],
    ['lib', running.home.root, 'registered', ['description']],
  );
  const { repositories } = (await running.call('GET', '/repositories')).json<{ repositories: { name: string }[] }>();
  assert.deepEqual(
    repositories.map(({ name }) => name),
    ['demo', 'lib'],
  );
});

test('a job is removed once it has ended, and is not there any more', async () => {
  await using running = await makeServer();
  const { jobId } = await create(running);
  await running.call('POST', `/jobs/${jobId}/start`);
  asProblem(await running.call('DELETE', `/jobs/${jobId}`), 409, 'state-conflict');
  await running.call('POST', `/jobs/${jobId}/cancel`);
  const removed = await running.call('DELETE', `/jobs/${jobId}`);
  assert.deepEqual([removed.status, removed.json()], [200, { jobId, success: true }]);
  assert.equal((await running.call('GET', `/jobs/${jobId}`)).json<{ status: number }>().status >= 400, true);
  assert.deepEqual((await list(running)).jobs, []);
});
