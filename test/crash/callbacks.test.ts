/** Callbacks through crashes, witnessed by receivers outside the home. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { openSink, type Answering } from '../../src/callbacks/sink.fixture.ts';
import type { DeliveryView } from '../../src/api/contract.ts';
import type { RecoveryReport } from '../../src/lifecycle/report.ts';
import { until } from '../support/poll.ts';
import { World } from '../support/world.ts';
import { awaitTold, checkTold, TELL_LOOPBACK } from './check-callbacks.ts';
import { checkInvariants } from './invariants.ts';
import { isFull } from './size.ts';

const JOBS = 3;

async function listDeliveries(world: World, query = ''): Promise<DeliveryView[]> {
  const page = (await world.api('GET', `/v1/deliveries?limit=200${query}`)).body as { items: DeliveryView[] };
  return page.items.toReversed();
}

/** Answers 503 to the first try of every third message, so that retries and crashes meet. */
function flaky(): Answering {
  const seen = new Map<string, boolean>();
  return ({ id }, response) => {
    const isFirst = !seen.has(id);
    seen.set(id, true);
    response.writeHead(isFirst && seen.size % 3 === 0 ? 503 : 200).end('noted');
  };
}

const POINTS = [
  'callbacks.before-send',
  'callbacks.after-send',
  'callbacks.after-record',
  'recovery.after-callbacks',
  'store.before-commit',
];

for (const point of POINTS) {
  it(
    `killed at ${point} again and again: every event told, in order, the same message`,
    { timeout: 240_000 },
    async () => {
      await using sink = await openSink(flaky());
      await using other = await openSink();
      await using world = await World.create();
      await world.configure({ callbacks: TELL_LOOPBACK });
      await world.start();
      await world.register();
      const callbacks = [
        { url: `${sink.url}/a` },
        { url: `${other.url}/b`, events: ['job.completed', 'job.cancelled'] },
      ];
      const jobs = [];
      for (let n = 0; n < JOBS; n++) {
        jobs.push(await world.submitShell(`sleep 0.${n}; echo done`, { callbacks }));
      }
      await world.kill();
      for (const hit of isFull ? [1, 2, 3, 5, 7] : [1, 4]) {
        await world.start({ failpoints: `${point}:crash@${hit}`, waitReady: false });
        // A point that is not passed so often any more (everything is told) is left by hand.
        const ended = await Promise.race([world.awaitEnd().then(() => true), endsQuietly(world)]);
        if (!ended) await world.kill();
      }
      await world.start();
      for (const job of jobs) await world.awaitState(job.id, 'completed');
      await awaitTold(world);
      await checkInvariants(world);
      await checkTold(world, sink);
      await checkTold(world, other);
    },
  );
}

/** Resolves with false once the server is ready and has nothing left to tell. */
async function endsQuietly(world: World): Promise<boolean> {
  try {
    if (world.server !== null) await world.awaitReady(world.server);
    await until('every job ended', async () => {
      const { items } = (await world.api('GET', '/v1/jobs')).body as { items: { state: string }[] };
      return items.every(({ state }) => state === 'completed');
    });
    await awaitTold(world);
    return false;
  } catch (error) {
    const { server } = world;
    if (server?.child.signalCode === 'SIGKILL') return true;
    const ended =
      server === null ? null : await Promise.race([server.ended, new Promise<null>((r) => setTimeout(r, 5000, null))]);
    if (ended === null) throw error;
    return true;
  }
}

it('a time that was kept is kept through a crash', { timeout: 120_000 }, async () => {
  let isAway = true;
  await using sink = await openSink((_, response) => void response.writeHead(isAway ? 503 : 200).end());
  await using world = await World.create();
  await world.configure({ callbacks: { ...TELL_LOOPBACK, retryWaitsMs: ['6s', '6s', '6s'] } });
  await world.start();
  await world.register();
  const job = await world.submitShell('true', { callbacks: [{ url: sink.url }] });
  await world.awaitState(job.id, 'completed');
  const first = await until('it waits', async () => (await listDeliveries(world, '&state=retrying'))[0] ?? null);
  await world.kill();
  isAway = false;
  await world.start();
  const [after] = await listDeliveries(world);
  assert.equal(after?.id, first.id);
  if (after?.state === 'retrying') assert.equal(after.nextAt, first.nextAt);
  const report = await world.readReport();
  const counts = Object.fromEntries(report.deliveries.map(({ state, count }) => [state, count]));
  assert.ok((counts['retrying'] ?? 0) === 1 && (counts['pending'] ?? 0) >= 1, JSON.stringify(report.deliveries));
  await awaitTold(world);
  const [told] = await listDeliveries(world);
  assert.ok(Date.parse(told?.finishedAt ?? '') >= Date.parse(first.nextAt ?? ''), 'not before its time');
  await checkInvariants(world);
  await checkTold(world, sink);
});

it(
  'a redelivery that was committed is sent, its answer lost: `api.after-redeliver`',
  { timeout: 120_000 },
  async () => {
    await using sink = await openSink();
    await using world = await World.create();
    await world.configure({ callbacks: TELL_LOOPBACK });
    await world.start({ failpoints: 'api.after-redeliver:crash' });
    await world.register();
    const job = await world.submitShell('true', { callbacks: [{ url: sink.url, events: ['completed'] }] });
    await world.awaitState(job.id, 'completed');
    await awaitTold(world);
    const [told] = await listDeliveries(world, `&job=${job.number}`);
    assert.equal(told?.type, 'job.completed');
    await assert.rejects(world.api('POST', `/v1/deliveries/${told.id}/redeliver`));
    await world.awaitEnd();
    await world.start();
    await awaitTold(world);
    assert.equal((await listDeliveries(world))[0]?.redeliveries, 1);
    assert.ok(sink.received.length >= 2);
    await checkInvariants(world);
    await checkTold(world, sink, { redelivered: [told.id] });
  },
);

it('every start is told to the operator’s own urls, with its report', { timeout: 120_000 }, async () => {
  await using sink = await openSink();
  await using world = await World.create();
  await world.configure({ callbacks: { ...TELL_LOOPBACK, server: [`${sink.url}/ops`] } });
  await world.start();
  await until('the first start is told', () => sink.received.length === 1);
  await world.kill();
  await world.start();
  const report = await world.readReport();
  // The first may be told once more before it: its receiver answered a server that died.
  const told = await until('the second start is told', () => {
    const bodies = sink.received.map(({ body }) => JSON.parse(body) as { type: string; data: RecoveryReport });
    return bodies.find(({ data }) => data.bootId === report.bootId) ?? null;
  });
  assert.deepEqual([told.type, told.data.previousStop], ['server.recovered', 'crash']);
  await awaitTold(world);
  await world.kill();
  await checkTold(world, sink);
});

it('receivers that are away, gone, slow or sly harm nobody', { timeout: 120_000 }, async () => {
  await using inner = await openSink();
  await using away = await openSink();
  const { url: refused } = away;
  await away[Symbol.asyncDispose]();
  const answers: Record<string, Answering> = {
    '/silent': () => undefined,
    '/gone': (_, response) => void response.writeHead(410).end(),
    '/sly': (_, response) => void response.writeHead(302, { location: inner.url }).end(),
    '/bad': (_, response) => void response.writeHead(400).end('x'.repeat(100_000)),
    '/good': (_, response) => void response.writeHead(204).end(),
  };
  await using sink = await openSink((request, response) => answers[request.path]?.(request, response));
  await using world = await World.create();
  await world.configure({ callbacks: { ...TELL_LOOPBACK, timeoutMs: 300, retryWaitsMs: [50, 50, 50] } });
  await world.start();
  await world.register();
  const urls = [...Object.keys(answers).map((path) => sink.url + path), `${refused}/away`];
  const callbacks = urls.map((url) => ({ url, events: ['job.queued', 'job.completed'] }));
  const job = await world.submitShell('true', { callbacks });
  await world.awaitState(job.id, 'completed');
  await awaitTold(world);
  const found = Object.fromEntries(
    (await listDeliveries(world)).map(({ url, type, state, tries, lastError }) => [
      `${new URL(url).pathname} ${type}`,
      `${state} ${tries} ${lastError ?? ''}`,
    ]),
  );
  assert.match(found['/silent job.completed'] ?? '', /^failed 4 no answer within 300 ms/);
  assert.match(found['/sly job.completed'] ?? '', /^failed 4 it answered 302/);
  assert.match(found['/bad job.queued'] ?? '', /^failed 1 it answered 400/);
  assert.match(found['/away job.queued'] ?? '', /^failed 4 .*ECONNREFUSED/);
  assert.match(found['/gone job.queued'] ?? '', /^failed 1 it answered 410/);
  assert.match(found['/gone job.completed'] ?? '', /^failed 0 the target is disabled/);
  assert.match(found['/good job.completed'] ?? '', /^sent 1 /);
  assert.deepEqual(inner.received, [], 'no redirect was followed');
  const failed = await listDeliveries(world, '&state=failed');
  assert.equal(failed.length, 10);
  const metrics = String((await world.api('GET', '/metrics')).body);
  assert.match(metrics, /holdfast_deliveries\{state="failed"\} 10/);
  assert.match(metrics, /holdfast_delivery_oldest_seconds 0/);
  await checkInvariants(world);
  await checkTold(world, sink, { mayFail: true });
});

it('what may not be told is refused at the submission, and nothing of it is kept', { timeout: 120_000 }, async () => {
  await using sink = await openSink();
  await using world = await World.create();
  await world.start();
  await world.register();
  const bad = [sink.url, 'http://localhost/', 'http://[::ffff:7f00:1]/', 'http://169.254.169.254/', 'ftp://a.example/'];
  for (const url of [...bad, 'https://u:p@a.example/', 'https://a.example/\r\nX: y']) {
    const body = { repository: 'demo', agent: 'exec', command: ['true'], callbacks: [{ url }] };
    const { status, body: problem } = await world.api('POST', '/v1/jobs', body);
    assert.deepEqual([status, (problem as { code: string }).code], [422, 'callback-refused'], url);
  }
  const twice = [{ url: 'https://a.example/' }, { url: 'https://a.example/' }];
  for (const callbacks of [
    twice,
    [{ url: 'https://a.example/', events: ['job.nothing'] }],
    [{ events: [] }],
    'no',
    [{}],
  ]) {
    const body = { repository: 'demo', agent: 'exec', command: ['true'], callbacks };
    assert.equal((await world.api('POST', '/v1/jobs', body)).status, 400, JSON.stringify(callbacks));
  }
  assert.deepEqual(((await world.api('GET', '/v1/jobs')).body as { items: unknown[] }).items, []);
  assert.equal((await world.api('POST', '/v1/deliveries/dlv_none/redeliver')).status, 404);
  assert.equal((await world.api('GET', '/v1/deliveries?job=99')).status, 404);
  assert.equal((await world.api('GET', '/v1/deliveries?state=odd')).status, 400);
  assert.equal((await world.api('GET', '/v1/deliveries?cursor=odd')).status, 400);
  await checkInvariants(world);
});
