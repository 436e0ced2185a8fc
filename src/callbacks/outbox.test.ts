import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { Webhook } from 'standardwebhooks';
import { systemClock } from '../kernel/clock.ts';
import type { Log } from '../kernel/log.ts';
import { JOB_CALLBACK_TYPES, type Delivery } from '../lifecycle/delivery.ts';
import { accept, completeNext, newRepository } from '../store/conformance/fixtures.ts';
import { openSqliteStore } from '../store/sqlite/sqlite-store.ts';
import type { Store } from '../store/store.ts';
import { createCallbacks, type CallbackSettings } from './callbacks.ts';
import { openSecrets } from './secrets.ts';
import { openSink, type Answering } from './sink.fixture.ts';

const silent: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const QUICK: CallbackSettings = {
  allow: ['127.0.0.1'],
  server: [],
  timeoutMs: 5000,
  retryWaitsMs: [20, 20, 20],
  concurrency: 64,
  perHost: 16,
};

/** A store in a directory of its own, and what sends its deliveries. */
async function open(settings: Partial<CallbackSettings> = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-outbox-'));
  const store = openSqliteStore({ path: join(folder, 'holdfast.db') });
  await store.start();
  await store.addRepository(newRepository({ concurrency: 1000 }));
  const secrets = openSecrets(join(folder, 'secret.json'), systemClock);
  const parts = { store, clock: systemClock, log: silent, boot: 'boot_a', version: '0', secrets };
  const make = () => createCallbacks({ ...parts, settings: { ...QUICK, ...settings } });
  const { outbox } = make();
  return {
    store,
    outbox,
    secrets,
    make,
    async [Symbol.asyncDispose]() {
      await outbox.stop();
      await store.stop();
      rmSync(folder, { recursive: true });
    },
  };
}

async function until(what: string, look: () => Promise<boolean> | boolean): Promise<void> {
  for (const end = performance.now() + 30_000; performance.now() < end;) {
    if (await look()) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error(`waited in vain for: ${what}`);
}

const listAll = async (store: Store): Promise<Delivery[]> =>
  (await store.listDeliveries({ limit: 200 })).items.toReversed();
const isOver = ({ state }: Delivery): boolean => state === 'sent' || state === 'failed';
const allOver = (store: Store) => async (): Promise<boolean> => (await listAll(store)).every(isOver);
const tell = (url: string) => ({ callbacks: [{ url, events: [...JOB_CALLBACK_TYPES] }] });
const typeOf = (body: string): string => (JSON.parse(body) as { type: string }).type;

it('tells what happens as it happens, signed, in order', async () => {
  await using sink = await openSink();
  await using world = await open();
  await world.outbox.start();
  await accept(world.store, tell(sink.url));
  await completeNext(world.store);
  await until('all are told', async () => sink.received.length === 3);
  assert.deepEqual(
    sink.received.map(({ body }) => typeOf(body)),
    ['job.queued', 'job.started', 'job.completed'],
  );
  const webhook = new Webhook(world.secrets.read().current);
  for (const { body, headers } of sink.received) {
    assert.deepEqual(webhook.verify(body, headers as Record<string, string>), JSON.parse(body));
    assert.equal(headers['content-type'], 'application/json');
  }
  await until('all are recorded', allOver(world.store));
  assert.equal(new Set(sink.received.map(({ id }) => id)).size, 3);
});

it('tries four times, the same message each time, and gives up', async () => {
  await using sink = await openSink((_, response) => void response.writeHead(500).end());
  await using world = await open();
  await world.outbox.start();
  await accept(world.store, tell(sink.url));
  await until('it is given up', allOver(world.store));
  const [delivery] = await listAll(world.store);
  assert.deepEqual([delivery?.state, delivery?.tries, delivery?.lastStatus], ['failed', 4, 500]);
  assert.equal(sink.received.length, 4);
  assert.equal(new Set(sink.received.map(({ id, body }) => `${id} ${body}`)).size, 1);
  await world.store.redeliver(delivery?.id ?? '', 'local');
  await until('it is given up again', async () => sink.received.length === 8 && (await allOver(world.store)()));
});

it('keeps the order of a job through failures, and lets other jobs pass', async () => {
  let refusals = 2;
  const slow: Answering = ({ path }, response) => {
    const isFirst = path === '/slow' && refusals-- > 0;
    response.writeHead(isFirst ? 503 : 200).end();
  };
  await using sink = await openSink(slow);
  await using world = await open({ retryWaitsMs: [300, 300, 300] });
  await accept(world.store, tell(`${sink.url}/slow`));
  await accept(world.store, tell(`${sink.url}/quick`));
  await completeNext(world.store);
  await completeNext(world.store);
  await world.outbox.start();
  await until('all are told', async () => (await listAll(world.store)).length === 6 && (await allOver(world.store)()));
  const told = (path: string): string[] =>
    sink.received.filter((one) => one.path === path).map(({ body }) => typeOf(body));
  assert.deepEqual(told('/slow'), ['job.queued', 'job.queued', 'job.queued', 'job.started', 'job.completed']);
  assert.deepEqual(told('/quick'), ['job.queued', 'job.started', 'job.completed']);
  const quickEnd = sink.received.findLastIndex(({ path }) => path === '/quick');
  const slowEnd = sink.received.findLastIndex(({ path }) => path === '/slow');
  assert.ok(quickEnd < slowEnd, 'the other job did not wait');
});

it('keeps a receiver that never answers from holding up others, and from more than its share', async () => {
  await using hanging = await openSink(() => undefined);
  await using sink = await openSink();
  await using world = await open({ perHost: 2, concurrency: 3, timeoutMs: 60_000 });
  for (let n = 0; n < 6; n++) await accept(world.store, tell(hanging.url));
  for (let n = 0; n < 6; n++) await accept(world.store, tell(sink.url));
  await world.outbox.start();
  await until('the others are told', async () => (await world.store.deliveryStats()).byState.sent === 6);
  assert.deepEqual([hanging.received.length, hanging.mostOpen, sink.mostOpen], [2, 2, 1]);
});

it('waits as long as a receiver asks for', async () => {
  let asked = 0;
  await using sink = await openSink((_, response) => {
    if (asked++ > 0) response.writeHead(200).end();
    else response.writeHead(429, { 'retry-after': '120' }).end();
  });
  await using world = await open();
  await world.outbox.start();
  const before = systemClock.now();
  await accept(world.store, tell(sink.url));
  await until('it is told to wait', async () => (await world.store.deliveryStats()).byState.retrying === 1);
  const [delivery] = await listAll(world.store);
  assert.ok((delivery?.nextAt ?? 0) >= before + 120_000);
});

it('gives up what goes to a target that is gone', async () => {
  await using sink = await openSink((_, response) => void response.writeHead(410).end());
  await using world = await open();
  await world.outbox.start();
  await accept(world.store, tell(sink.url));
  await completeNext(world.store);
  await accept(world.store, tell(sink.url));
  await until('all are over', async () => (await listAll(world.store)).length === 4 && (await allOver(world.store)()));
  const states = (await listAll(world.store)).map(({ state, tries }) => [state, tries]);
  const tried = states.filter(([, tries]) => tries === 1).length;
  assert.ok(states.every(([state]) => state === 'failed') && tried === sink.received.length, JSON.stringify(states));
  assert.ok(sink.received.length <= 2, 'what comes later is not sent');
});

it('leaves what is under way at a stop to the next start, the same message', async () => {
  const answers: (() => void)[] = [];
  await using sink = await openSink((_, response) => void answers.push(() => response.writeHead(200).end()));
  await using world = await open({ timeoutMs: 60_000 });
  await world.outbox.start();
  await accept(world.store, tell(sink.url));
  await until('it is being sent', () => answers.length === 1);
  await world.outbox.stop();
  assert.equal((await listAll(world.store))[0]?.state, 'sending');
  const next = world.make().outbox;
  assert.deepEqual(await next.recover(), { returned: 1, pending: 0, retrying: 0 });
  await next.start();
  await until('it is sent again', () => answers.length === 2);
  answers[1]?.();
  await until('it is recorded', allOver(world.store));
  const [first, second] = sink.received;
  assert.deepEqual([first?.id, first?.body], [second?.id, second?.body]);
  await next.stop();
});

it('sends nothing to what is forbidden now, and nothing unsigned', async () => {
  await using sink = await openSink();
  await using world = await open({ allow: [] });
  await world.outbox.start();
  await accept(world.store, tell(sink.url));
  await until('it is given up', allOver(world.store));
  const [delivery] = await listAll(world.store);
  assert.match(delivery?.lastError ?? '', /127\.0\.0\.1 is no public address/);
  assert.deepEqual(sink.received, []);
});
