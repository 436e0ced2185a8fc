import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { armFailpoints } from '../kernel/failpoints.ts';
import { sha256 } from '../kernel/hash.ts';
import { addDemo, asProblem, makeServer, ROOT_TOKEN, submit, work } from './api.fixture.ts';
import type { AttemptView, CreatedTokenView, EventView, JobView, PageView } from './contract.ts';

const accept = { repository: 'demo', prompt: 'do it' };

test('a job is accepted, shown and listed with exactly the fields of the contract', async () => {
  await using running = await makeServer();
  const job = await submit(running, { prompt: 'grüße 🤖', priority: 5 });
  assert.equal(
    Object.keys(job).toSorted().join(' '),
    'after agent attempts blocker createdAt deadlineAt estimate exitCode finishedAt frozen id keptUntil lastDurableArtifact nextSafeAction number outcome outputBytes ' +
      'outputFile packet packetSha256 pendingAttempt phase pipeline priority prompt queuePosition queueSeq queuedAt reason recovery repositories ' +
      'repository sentinelFile sessionId stage startedAt state version waitingFor workspace workspaceKeptUntil ' +
      'workspaceRemovedAt workspaceSetAside',
  );
  assert.equal(job.prompt, 'grüße 🤖');
  assert.equal(job.agent, 'scripted');
  assert.equal(job.state, 'queued');
  assert.equal(job.queuePosition, 1);
  assert.equal(job.nextSafeAction, 'wait');
  assert.equal(job.deadlineAt, null);
  assert.match(job.createdAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  // Only who asks is told when it begins: an acceptance does not look at the queue.
  assert.equal(job.estimate, null);
  const usual = { remainingMs: null, durationP50Ms: null, durationP90Ms: null, samples: 0 };
  const told = { ...job, estimate: { startInMs: 0, ...usual } };
  for (const reference of [job.id, job.number, job.id.slice(4), job.id.slice(0, -3)]) {
    assert.deepEqual((await running.call('GET', `/v1/jobs/${reference}`)).json(), told);
  }
  assert.deepEqual((await running.call('GET', '/v1/jobs')).json(), { items: [told], nextCursor: null });
  const queue = (await running.call('GET', '/v1/queue')).json<{ items: JobView[]; admission: { open: boolean } }>();
  assert.deepEqual([queue.items, queue.admission.open], [[told], true]);
  const stored = await running.store.getJob(job.id);
  assert.equal(stored?.promptSha256, sha256('grüße 🤖'));
});

test('a command is a job of agent exec; the repository may bring one', async () => {
  await using running = await makeServer();
  const job = await submit(running, { prompt: undefined, command: ['sh', '-c', "echo 'hi'; exit 7"] });
  assert.equal(job.agent, 'exec');
  assert.equal(job.prompt, `sh -c 'echo '\\''hi'\\''; exit 7'`);
  assert.deepEqual((await running.store.getJob(job.id))?.command, ['sh', '-c', "echo 'hi'; exit 7"]);
  const long = await submit(running, { prompt: undefined, command: ['echo', "'".repeat(300_000)] });
  assert.ok(long.prompt.length < 20_000);
  assert.equal((await running.store.getJob(long.id))?.command?.[1]?.length, 300_000);
  asProblem(await running.call('POST', '/v1/jobs', { body: { ...accept, agent: 'exec' } }), 400, 'bad-request');
  assert.equal((await running.call('PATCH', '/v1/repositories/demo', { body: { command: ['make'] } })).status, 200);
  const own = await submit(running, { agent: 'exec' });
  assert.deepEqual((await running.store.getJob(own.id))?.command, ['make']);
});

test('what this version does not know is refused by name and nothing is kept', async () => {
  await using running = await makeServer();
  const cases: [body: unknown, detail: RegExp, code?: string, status?: number][] = [
    [{ ...accept, colour: 'red' }, /^colour: unknown field$/],
    [{ ...accept, a: 1, b: 2 }, /^a: unknown field; b: unknown field$/],
    [{ ...accept, packet: {} }, /^packet: a packet takes the place of prompt and command/],
    [{ repository: 'demo', packet: { goals: 1 } }, /no field "goals"/, 'bad-packet', 422],
    [{ repository: 'demo', packet: { title: 'x', gates: [] } }, /cannot bring or pass gates/, 'bad-packet', 422],
    [{ ...accept, after: [true] }, /^after\.0: /],
    [{ ...accept, limits: { wall: 1 } }, /^limits\.wall: unknown field$/],
    [{ ...accept, pipeline: 'deploy' }, /^pipeline: /],
    [{ ...accept, priority: 1001 }, /^priority: /],
    [{ ...accept, priority: -1001 }, /^priority: /],
    [{ ...accept, priority: 1.5 }, /^priority: /],
    [{ ...accept, deadlineMs: 60_000 }, /^deadlineMs: not supported by this version$/],
    [{ ...accept, start: 'yes' }, /^start: /],
    [{ ...accept, onInterrupt: 'never' }, /^onInterrupt: /],
    [{ ...accept, command: [] }, /^command: /],
    [{ ...accept, command: ['a\0b'] }, /^command\.0: /],
    [{ ...accept, repositories: ['demo'] }, /^repository: give either/],
    [{ prompt: 'x' }, /^repository: give either/],
    [{ prompt: 'x', repositories: ['demo', 'demo'] }, /^repositories: names a repository twice/],
    [{ prompt: 'x', repositories: [] }, /^repositories: /],
    [{ prompt: 'x', repositories: ['demo', 'nope'] }, /"nope"/, 'repository-not-found', 404],
    [{ repository: 'demo' }, /^prompt: give a prompt, a packet or a command/, 'bad-prompt'],
    [{ repository: 'nope', prompt: 'x' }, /"nope"/, 'repository-not-found', 404],
    [{ ...accept, agent: 'nobody' }, /nobody/, 'unknown-agent', 422],
    [[], /^body: /],
    ['text', /^body: /],
    [null, /^body: /],
  ];
  for (const [body, detail, code = 'bad-request', status = 400] of cases) {
    const problem = asProblem(await running.call('POST', '/v1/jobs', { body }), status, code);
    assert.match(problem.detail, detail);
  }
  const raw = [
    ['{"repository":"demo","prompt":"x","__proto__":{"a":1}}', 'bad-request'],
    ['{"repository":"demo","prompt":', 'bad-request'],
    ['', 'bad-request'],
  ] as const;
  for (const [body, code] of raw) {
    asProblem(await running.call('POST', '/v1/jobs', { raw: { body, type: 'application/json' } }), 400, code);
  }
  asProblem(await running.call('POST', '/v1/jobs?x=1', { body: accept }), 400, 'bad-request');
  const list = (await running.call('GET', '/v1/jobs')).json<PageView<JobView>>();
  assert.deepEqual(list.items, []);
  assert.equal((await submit(running, { repository: undefined, repositories: ['demo'] })).repository, 'demo');
});

test('a prompt has 1 byte to 1 MiB, no NUL, and is kept byte for byte', async () => {
  await using running = await makeServer();
  const send = (prompt: string) => running.call('POST', '/v1/jobs', { body: { ...accept, prompt } });
  for (const bad of ['', 'a\0b', 'x'.repeat(2 ** 20 + 1), 'é'.repeat(2 ** 19 + 1), '\ud800']) {
    asProblem(await send(bad), 400, 'bad-prompt');
  }
  for (const good of ['x', ' ', 'x'.repeat(2 ** 20), '"'.repeat(2 ** 20), 'é'.repeat(2 ** 19), '\r\n\u2028\ufeff🤖']) {
    const answer = await send(good);
    assert.equal(answer.status, 201);
    const { id, prompt } = answer.json<JobView>();
    assert.ok(prompt === good);
    assert.equal((await running.store.getJob(id))?.promptSha256, sha256(good));
  }
  const type = 'application/json';
  const head = Buffer.from('{"repository":"demo","prompt":"');
  const broken = Buffer.concat([head, Buffer.from([0xc3, 0x28]), Buffer.from('"}')]);
  const utf8 = asProblem(await running.call('POST', '/v1/jobs', { raw: { body: broken, type } }), 400, 'bad-request');
  assert.match(utf8.detail, /UTF-8/);
  const large = { ...accept, prompt: 'x'.repeat(7 * 2 ** 20) };
  asProblem(await running.call('POST', '/v1/jobs', { body: large }), 413, 'payload-too-large');
});

test('a page of long prompts ends early instead of filling the memory, and nothing is skipped', async () => {
  await using running = await makeServer();
  const sent: string[] = [];
  for (let i = 0; i < 14; i++) sent.push((await submit(running, { prompt: `${i}`.padEnd(2 ** 20, '.') })).id);
  const seen: string[] = [];
  const sizes: number[] = [];
  let cursor: string | null = null;
  do {
    const query: string = cursor === null ? '' : `&cursor=${cursor}`;
    const page: PageView<JobView> = (await running.call('GET', `/v1/jobs?limit=14${query}`)).json();
    seen.push(...page.items.map(({ id }) => id));
    sizes.push(page.items.length);
    cursor = page.nextCursor;
  } while (cursor !== null);
  assert.deepEqual(seen, sent.toReversed());
  assert.deepEqual(sizes, [8, 6]);
});

test('the same key gives the same job, another body is a conflict, another caller is independent', async () => {
  await using running = await makeServer();
  const headers = { 'idempotency-key': 'key-1' };
  const first = await running.call('POST', '/v1/jobs', { body: accept, headers });
  const again = await running.call('POST', '/v1/jobs', { body: { prompt: 'do it', repository: 'demo' }, headers });
  assert.equal(first.status, 201);
  assert.equal(again.status, 201);
  assert.equal(first.headers.get('idempotency-replayed'), null);
  assert.equal(again.headers.get('idempotency-replayed'), 'true');
  assert.equal(again.json<JobView>().id, first.json<JobView>().id);
  const changed = { ...accept, prompt: 'do something else' };
  asProblem(await running.call('POST', '/v1/jobs', { body: changed, headers }), 409, 'idempotency-conflict');
  const ci = (await running.call('POST', '/v1/tokens', { body: { name: 'ci' } })).json<CreatedTokenView>();
  const other = await running.call('POST', '/v1/jobs', { body: changed, headers, token: ci.token });
  assert.equal(other.status, 201);
  assert.notEqual(other.json<JobView>().id, first.json<JobView>().id);
  for (const key of ['', 'a b', 'x'.repeat(256)]) {
    const bad = { 'idempotency-key': key };
    asProblem(await running.call('POST', '/v1/jobs', { body: accept, headers: bad }), 400, 'bad-request');
  }
});

test('a storage fault before acceptance leaves nothing, one after it is found again by its key', async () => {
  await using running = await makeServer();
  const headers = { 'idempotency-key': 'key-1' };
  try {
    armFailpoints('api.before-accept:error');
    asProblem(await running.call('POST', '/v1/jobs', { body: accept, headers }), 503, 'storage-failed');
    assert.equal((await running.store.listJobs({})).items.length, 0);
    armFailpoints('api.after-accept:error');
    asProblem(await running.call('POST', '/v1/jobs', { body: accept, headers }), 503, 'storage-failed');
  } finally {
    armFailpoints(undefined);
  }
  const again = await running.call('POST', '/v1/jobs', { body: accept, headers });
  assert.equal(again.headers.get('idempotency-replayed'), 'true');
  assert.equal((await running.store.listJobs({})).items.length, 1);
});

test('lists are paged, filtered, and refuse what they do not know', async () => {
  await using running = await makeServer();
  await addDemo(running.store, 'other');
  const ids: string[] = [];
  for (let i = 0; i < 7; i++) ids.push((await submit(running, { start: i % 2 === 0 })).id);
  await submit(running, { repository: 'other' });
  const list = async (query: string) => (await running.call('GET', `/v1/jobs?${query}`)).json<PageView<JobView>>();
  const seen: string[] = [];
  for (let cursor: string | null = ''; cursor !== null;) {
    const page: PageView<JobView> = await list(`repository=demo&limit=3${cursor === '' ? '' : `&cursor=${cursor}`}`);
    seen.push(...page.items.map(({ id }) => id));
    cursor = page.nextCursor;
  }
  assert.deepEqual(seen, ids.toReversed());
  assert.deepEqual(
    (await list('state=created')).items.map(({ id }) => id),
    ids.filter((_, i) => i % 2 === 1).toReversed(),
  );
  for (const query of ['limit=0', 'limit=201', 'limit=x', 'limit=1&limit=2', 'state=lost', 'foo=1', 'epic=1']) {
    const problem = asProblem(await running.call('GET', `/v1/jobs?${query}`), 400, 'bad-request');
    assert.match(problem.detail, /^querystring\.(?:limit|state|foo|epic): /, query);
  }
  assert.equal((await list('limit=200')).items.length, 8);
});

test('the queue is listed in its order, page by page, with positions', async () => {
  await using running = await makeServer();
  const first = await submit(running);
  const second = await submit(running);
  const urgent = await submit(running, { priority: 10 });
  const expected = [urgent.id, first.id, second.id];
  const seen: JobView[] = [];
  for (let cursor: string | null = ''; cursor !== null;) {
    const query: string = cursor === '' ? '' : `&cursor=${cursor}`;
    const page: PageView<JobView> = (await running.call('GET', `/v1/queue?limit=2${query}`)).json();
    seen.push(...page.items);
    cursor = page.nextCursor;
  }
  assert.deepEqual(
    seen.map(({ id }) => id),
    expected,
  );
  assert.deepEqual(
    seen.map(({ queuePosition }) => queuePosition),
    [1, 2, 3],
  );
  const shown = (await running.call('GET', `/v1/jobs/${first.id}`)).json<JobView>();
  assert.equal(shown.queuePosition, 2);
});

test('start, cancel and retry follow the transition table', async () => {
  await using running = await makeServer();
  const held = await submit(running, { start: false });
  assert.equal(held.nextSafeAction, 'start');
  assert.equal(held.queuePosition, null);
  const command = (name: string, options = {}) => running.call('POST', `/v1/jobs/${held.id}/${name}`, options);
  assert.equal((await command('start')).json<JobView>().state, 'queued');
  asProblem(await command('start'), 409, 'state-conflict');
  asProblem(await command('retry', { body: {} }), 409, 'state-conflict');
  const cancelled = (await command('cancel', { body: {} })).json<JobView>();
  assert.equal(cancelled.state, 'cancelled');
  assert.equal(cancelled.outcome, 'cancelled');
  asProblem(await command('cancel'), 409, 'state-conflict');
  assert.equal((await command('retry')).json<JobView>().state, 'queued');
  assert.match(asProblem(await command('start', { body: { now: true } }), 400, 'bad-request').detail, /^now: unknown/);
  asProblem(await running.call('POST', '/v1/jobs/nope/start'), 404, 'job-not-found');
  asProblem(await running.call('POST', '/v1/jobs/999/cancel'), 404, 'job-not-found');
  asProblem(await running.call('GET', '/v1/jobs/j%00b'), 404, 'job-not-found');
});

test('a running job shows where its files are and how much it has printed', async () => {
  await using running = await makeServer();
  const { id } = await submit(running);
  const attempt = await work(running, id);
  await attempt.print('12345');
  const job = (await running.call('GET', `/v1/jobs/${id}`)).json<JobView>();
  assert.equal(job.state, 'running');
  assert.equal(job.outputBytes, 5);
  assert.equal(job.outputFile, attempt.outputFile);
  assert.match(job.sentinelFile ?? '', /sentinel\.json$/);
  const live = (await running.call('GET', `/v1/jobs/${id}/attempts/1`)).json<AttemptView>();
  assert.deepEqual([live.state, live.outputBytes], ['running', 5], 'an attempt at work tells how far its output is');
  assert.notEqual(job.startedAt, null);
  await attempt.finish('fail', 7);
  const failed = (await running.call('GET', `/v1/jobs/${id}`)).json<JobView>();
  assert.equal(failed.exitCode, 7);
  assert.equal(failed.nextSafeAction, 'retry');

  const attempts = (await running.call('GET', `/v1/jobs/${id}/attempts`)).json<PageView<AttemptView>>();
  assert.deepEqual(
    attempts.items.map(({ number, state, exitCode }) => [number, state, exitCode]),
    [[1, 'finished', 7]],
  );
  assert.deepEqual((await running.call('GET', `/v1/jobs/${id}/attempts/1`)).json(), attempts.items[0]);
  asProblem(await running.call('GET', `/v1/jobs/${id}/attempts/2`), 404, 'not-found');
  asProblem(await running.call('GET', `/v1/jobs/${id}/attempts/x`), 400, 'bad-request');
});

test('the timeline is the journal of the job, page by page', async () => {
  await using running = await makeServer();
  const { id } = await submit(running);
  await submit(running);
  await (await work(running, id)).finish();
  const seen: EventView[] = [];
  for (let cursor: string | null = ''; cursor !== null;) {
    const query: string = cursor === '' ? '' : `&cursor=${cursor}`;
    const page: PageView<EventView> = (await running.call('GET', `/v1/jobs/${id}/timeline?limit=2${query}`)).json();
    seen.push(...page.items);
    cursor = page.nextCursor;
  }
  assert.ok(seen.every(({ jobId }) => jobId === id));
  assert.deepEqual(
    seen.map(({ kind }) => kind),
    ['job.accept', 'job.claim', 'attempt.intend', 'job.launch', 'attempt.attach', 'attempt.finish', 'job.complete'],
  );
});

test('a diff is sent as it is', async () => {
  await using running = await makeServer();
  const { id } = await submit(running);
  const diff = 'diff --git a/ä b/ä\n+<script>\n';
  await mkdir(running.home.job(id), { recursive: true });
  await writeFile(join(running.home.job(id), 'diff'), diff);
  const answer = await running.call('GET', `/v1/jobs/${id}/diff`);
  assert.equal(answer.text, diff);
  assert.equal(answer.headers.get('content-type'), 'text/x-diff; charset=utf-8');
});

test('no answer names a token', async () => {
  await using running = await makeServer();
  await submit(running);
  const events = await running.call('GET', '/v1/events', { headers: { accept: 'application/json' } });
  assert.ok(!events.text.includes(ROOT_TOKEN));
});

test('while the disk is nearly full a job is accepted, and everything says what it waits for', async () => {
  const space = { freeBytes: 5, totalBytes: 1e9, neededBytes: 100, stopBytes: null };
  let level: 'ok' | 'low' = 'low';
  await using running = await makeServer({ disk: () => ({ ...space, level }) });
  const job = await submit(running);
  assert.deepEqual([job.state, job.nextSafeAction], ['queued', 'free_disk']);
  assert.match(job.blocker ?? '', /^new work waits for disk space: 5 B free .*, 100 B needed$/);
  const held = await submit(running, { start: false });
  assert.deepEqual([held.blocker, held.nextSafeAction], [null, 'start']);
  const queue = (await running.call('GET', '/v1/queue')).json<{ admission: Record<string, unknown> }>();
  const { detail, hint, ...figures } = queue.admission;
  assert.equal(detail, job.blocker);
  assert.match(String(hint), /Free space/);
  const closed = { open: false, reason: 'free_disk', nextSafeAction: 'free_disk' };
  assert.deepEqual(figures, { ...closed, freeBytes: 5, neededBytes: 100, stopBytes: null });
  level = 'ok';
  const after = (await running.call('GET', `/v1/jobs/${job.id}`)).json<JobView>();
  assert.deepEqual([after.blocker, after.nextSafeAction], [null, 'wait']);
});
