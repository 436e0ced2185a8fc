/** What homes that were made from a backup do beside the home it was made of, or in its place. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { DeliveryView, ResourceView } from '../../src/api/contract.ts';
import { openSink, type Sink } from '../../src/callbacks/sink.fixture.ts';
import { isAlive } from '../../src/keeper/host-identity.ts';
import { signalProcess } from '../../src/keeper/processes.ts';
import { run } from '../e2e/command.ts';
import { StandInEngine } from '../support/engine.ts';
import { until } from '../support/poll.ts';
import { Stranger } from '../support/stranger.ts';
import { World, type JobView } from '../support/world.ts';
import { awaitTold, checkTold, TELL_LOOPBACK } from './check-callbacks.ts';
import { checkInvariants } from './invariants.ts';
import { assertLetters, hasLetters, letters } from './letters.ts';
import { backUp, restore } from './restored-home.ts';

const options = { timeout: 240_000 };
/** Ends when the test says so. */
const WAITING = 'echo up; until [ -e "$WITNESS/go" ]; do sleep 0.05; done';

async function saveHome(world: World): Promise<string> {
  const path = join(world.root, 'saved');
  assert.equal((await backUp(world, path)).state, 'made');
  return path;
}

async function restoreInto(other: World, path: string, ...args: string[]): Promise<string> {
  const { code, stderr } = await restore(other, path, { home: other.home.root, args });
  assert.equal(code, 0, stderr);
  return stderr;
}

async function listDeliveries(world: World): Promise<DeliveryView[]> {
  return ((await world.api('GET', '/v1/deliveries?limit=200')).body as { items: DeliveryView[] }).items.toReversed();
}

interface Telling extends AsyncDisposable {
  world: World;
  sink: Sink;
  /** Takes what it is sent and never answers. */
  silent: Sink;
  /** The messages of the home when its backup was made. */
  before: DeliveryView[];
  path: string;
}

/** A home with messages that wait, that are retried and that are being sent, its backup, and receivers that listen now. */
async function makeTelling(): Promise<Telling> {
  let isAway = true;
  const sink = await openSink((_, response) => void response.writeHead(isAway ? 503 : 204).end());
  const silent = await openSink(() => undefined);
  const world = await World.create();
  await world.configure({ callbacks: { ...TELL_LOOPBACK, retryWaitsMs: Array(9).fill('12s'), timeoutMs: 60_000 } });
  await world.start();
  await world.register();
  const callbacks = [{ url: sink.url }];
  const ended = await world.submitShell('true', { callbacks });
  await world.awaitState(ended.id, 'completed');
  const working = await world.submitShell(WAITING, { callbacks: [...callbacks, { url: silent.url }] });
  await until('it works', async () => (await world.getJob(working.id)).outputBytes > 0);
  await until('one is being sent, the others wait', async () => {
    const states = (await listDeliveries(world)).map(({ state }) => state);
    return states.filter((state) => state === 'retrying').length === 2 && states.includes('sending');
  });
  const before = await listDeliveries(world);
  const path = await saveHome(world);
  // The copy is served while the home it was made of is silent: what comes now comes from the copy.
  signalProcess(world.server?.identity ?? { pid: 0, start: '' }, 'SIGSTOP');
  isAway = false;
  sink.received.length = 0;
  silent.received.length = 0;
  const dispose = async (): Promise<void> => {
    for (const one of [world, sink, silent]) await one[Symbol.asyncDispose]();
  };
  return { world, sink, silent, before, path, [Symbol.asyncDispose]: dispose };
}

test('callbacks that were not sent are kept back in a restored home until the operator says so', options, async () => {
  await using telling = await makeTelling();
  const { sink, silent, before, path } = telling;
  await using other = await World.create();
  assert.match(await restoreInto(other, path), new RegExp(`callbacks kept back: ${before.length + 2};`));
  await other.start();
  const report = await other.readReport();
  assert.match(report.restored?.note ?? '', /callbacks not sent: \d+, kept back/);
  assert.deepEqual(report.deliveries, []);
  const kept = await listDeliveries(other);
  assert.deepEqual(
    kept.map(({ id, type, state }) => [id, type, state]).slice(0, before.length),
    before.map(({ id, type }) => [id, type, 'failed']),
  );
  // That its job is blocked in the copy is told to nobody either: it runs in the home it was made of.
  const blocked = ['job.blocked', 'failed'];
  assert.deepEqual(
    kept.slice(before.length).map(({ type, state }) => [type, state]),
    [blocked, blocked],
  );
  assert.ok(kept.every(({ lastError }) => /may have sent it/.test(lastError ?? '')));
  // What happens in the copy is told, and nothing before it.
  const own = await other.submitShell('true', { callbacks: [{ url: sink.url }] });
  await other.awaitState(own.id, 'completed');
  await awaitTold(other);
  const told = sink.received.map(({ body }) => JSON.parse(body) as { data: { id: string } });
  assert.deepEqual(new Set(told.map(({ data }) => data.id)), new Set([own.id]));
  assert.deepEqual(silent.received, []);
  const [first] = kept;
  assert.equal((await run(other, ['callback', 'redeliver', first?.id ?? ''])).code, 0);
  await awaitTold(other);
  assert.equal(sink.received.filter(({ id }) => id === first?.id).length, 1);
  await checkInvariants(other);
});

test('in the place of a home that is gone, a restored one sends what was not sent, in order', options, async () => {
  await using telling = await makeTelling();
  const { world, sink, path } = telling;
  await world.kill();
  await using other = await World.create();
  assert.match(await restoreInto(other, path, '--keep-callbacks'), /callbacks to be sent, as before: \d+/);
  await other.start();
  const listOwn = async (): Promise<DeliveryView[]> =>
    (await listDeliveries(other)).filter(({ url }) => url.startsWith(sink.url));
  await until('it was told', async () => (await listOwn()).every(({ state }) => state === 'sent'));
  assert.deepEqual(new Set(sink.received.map(({ id }) => id)), new Set((await listOwn()).map(({ id }) => id)));
  await other.kill();
  await checkTold(other, sink);
});

interface Made {
  job: JobView;
  containers: string[];
}

async function register(world: World, job: JobView, named: { kind: string; target: string }): Promise<void> {
  const answer = await world.api('POST', `/v1/jobs/${job.id}/resources`, named);
  assert.equal(answer.status, 201, JSON.stringify(answer.body));
}

async function listResources(world: World, job: JobView): Promise<ResourceView[]> {
  return ((await world.api('GET', `/v1/jobs/${job.id}/resources`)).body as { items: ResourceView[] }).items;
}

/** A job at work with a container, and one that has ended whose container cannot be removed. */
async function makeResources(world: World, engine: StandInEngine, pid: number): Promise<Made> {
  const job = await world.submitShell(WAITING);
  await until('it works', async () => (await world.getJob(job.id)).outputBytes > 0);
  const containers = [await engine.add('container', 'db'), await engine.add('container', 'old')];
  await register(world, job, { kind: 'container', target: 'db' });
  await register(world, job, { kind: 'process', target: String(pid) });
  const over = await world.submitShell('until [ -e "$WITNESS/over" ]; do sleep 0.05; done');
  await world.awaitState(over.id, 'running');
  await register(world, over, { kind: 'container', target: 'old' });
  await engine.misbehave('stubborn');
  await writeFile(join(world.witness, 'over'), '');
  await until('its removal failed', async () => (await listResources(world, over))[0]?.state === 'failed');
  return { job, containers };
}

test('a restored home cleans up nothing that the home it was made of still uses', options, async () => {
  await using world = await World.create();
  await using other = await World.create();
  const engine = await StandInEngine.make(join(world.root, 'engine'));
  await world.configure({ resources: { containerCommand: engine.command }, limits: { agentsPerHost: 4 } });
  await world.start();
  await world.register();
  await using stranger = await Stranger.start(join(world.witness, 'stranger'));
  const { job, containers } = await makeResources(world, engine, stranger.identity.pid);
  const path = await saveHome(world);
  await engine.behave();
  const calls = (await engine.readCalls()).length;

  await restoreInto(other, path);
  await other.start();
  const left = await listResources(other, job);
  assert.deepEqual(new Set(left.map(({ state, note }) => `${state}: ${note}`)), new Set([LEFT]));
  assert.equal(left.length, 2);
  // Neither its start, nor the end of the job in the copy, nor the end of a retry takes anything away.
  await writeFile(join(other.witness, 'go'), '');
  await other.api('POST', `/v1/jobs/${job.id}/cancel`);
  await other.awaitState(job.id, 'cancelled');
  await other.kill();
  await other.start();
  assert.equal((await other.api('GET', '/v1/orphans')).status, 200);
  const next = await other.submitShell('true');
  await other.awaitState(next.id, 'completed');
  assert.deepEqual((await engine.readCalls()).slice(calls), []);
  assert.ok(isAlive(stranger.identity));
  assert.deepEqual(new Set(await engine.list('container')), new Set(containers));

  // The home they were registered in does.
  await writeFile(join(world.witness, 'go'), '');
  await world.awaitState(job.id, 'completed');
  await until('they are gone', async () => (await listResources(world, job)).every(({ state }) => state === 'removed'));
  assert.equal(isAlive(stranger.identity), false);
  await checkInvariants(other);
  await checkInvariants(world);
});
const LEFT = 'removed: left to the home this one was restored from';

test(
  'a restored job of several repositories goes on in its saved trees, its session begins anew',
  options,
  async () => {
    await using world = await World.create();
    await using other = await World.create();
    await world.configure({ limits: { agentsPerHost: 1 } });
    await world.start();
    await world.register();
    await world.registerAnother('lib');
    const failed = await world.submit(letters({ exit: 1 }));
    await world.awaitState(failed.id, 'failed');
    // Interrupted, and passed by a more urgent one: it waits with a session that could be continued.
    const waiting = await world.submit(letters({ sleepMs: 4000 }));
    await until('it works', async () => (await world.readOutput(waiting.id)).includes('did'));
    const working = await world.submit({ ...letters({ sleepMs: 60_000 }), priority: 9 });
    await world.kill();
    for (const one of await world.listProcesses()) signalProcess(one, 'SIGKILL');
    await world.start();
    await until('the urgent one works', async () =>
      (await world.readOutput(working.id).catch(() => '')).includes('did'),
    );
    const { state, sessionId } = await world.getJob(waiting.id);
    assert.equal(state, 'queued');
    assert.notEqual(sessionId, null);
    const path = await saveHome(world);
    await world.kill();

    await restoreInto(other, path, '--keep-queue');
    await other.start();
    await other.awaitState(waiting.id, 'completed');
    await assertLetters(other, waiting, 2);
    assert.equal((await other.api('POST', `/v1/jobs/${failed.id}/retry`)).status, 200);
    await until('it failed again', async () => {
      const { state: now, attempts } = await other.getJob(failed.id);
      assert.notEqual(now, 'blocked', await other.readLog());
      return now === 'failed' && attempts === 2;
    });
    await assertLetters(other, failed, 2);
    assert.equal((await other.api('POST', `/v1/jobs/${working.id}/retry`)).status, 200);
    await until('both attempts are seen in its tree', () => hasLetters(other, working, 2));
    for (const job of [waiting, failed, working]) {
      const [first, second] = await other.getAttempts(job.id);
      assert.deepEqual([first?.mode, second?.mode], ['cold', 'cold']);
      assert.notEqual(second?.sessionId, first?.sessionId, 'a session that is not there is not continued');
    }
    // Interrupted in its new home, it is continued there as any other.
    await other.kill();
    for (const one of await other.listProcesses()) signalProcess(one, 'SIGKILL');
    await other.start();
    const third = await until('it is continued', async () => (await other.getAttempts(working.id))[2] ?? null);
    assert.equal(third.mode, 'warm');
    await until('it runs', async () => (await other.getJob(working.id)).state === 'running');
    await assertLetters(other, working, 2);
    await other.api('POST', `/v1/jobs/${working.id}/cancel`);
    await other.awaitState(working.id, 'cancelled');
    await checkInvariants(other);
  },
);
