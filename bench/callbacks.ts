/** What callbacks cost and how fast they go: to a receiver on loopback, beside submissions, and at a start. */
import { readProcess, TICKS_PER_SECOND } from '../src/keeper/host-identity.ts';
import { openSink } from '../src/callbacks/sink.fixture.ts';
import { JOB_CALLBACK_TYPES } from '../src/lifecycle/delivery.ts';
import { DEFAULT_LIMITS } from '../src/lifecycle/job.ts';
import { openSqliteStore } from '../src/store/sqlite/sqlite-store.ts';
import { until } from '../test/support/poll.ts';
import { World } from '../test/support/world.ts';
import { figure, median, printTable } from './table.ts';

const RUNS = 3;
const JOBS = 1000;
const CALLERS = 16;
const PENDING = 1000;

/** Processor time the world's server has used so far, milliseconds: what counts on a machine with others on it. */
function cpuMs(world: World): number {
  const ticks = readProcess(world.server?.identity.pid ?? 0)?.cpuTicks ?? 0;
  return (ticks / TICKS_PER_SECOND) * 1000;
}

/** Submits jobs from `CALLERS` clients; returns how many were acknowledged per second. */
async function submitAll(world: World, url: string | null): Promise<number> {
  const callbacks = url === null ? [] : [{ url, events: ['job.queued'] }];
  let left = JOBS;
  const began = performance.now();
  const client = async (): Promise<void> => {
    // Held back by a repository without room, so that nothing but submission is measured.
    while (left-- > 0) await world.submit({ agent: 'exec', command: ['true'], callbacks });
  };
  await Promise.all(Array.from({ length: CALLERS }, client));
  return JOBS / ((performance.now() - began) / 1000);
}

/** Stops the queue by one job that sleeps: jobs of the bench are told of, and stay queued. */
async function openWorld(): Promise<World> {
  const world = await World.create();
  await world.configure({ limits: { agentsPerHost: 1 }, callbacks: { allow: ['127.0.0.1'] } });
  await world.start();
  await world.register({ limits: { concurrency: 1 } });
  const blocker = await world.submitShell('sleep 600');
  await world.awaitState(blocker.id, 'running');
  return world;
}

async function benchSubmission(): Promise<string[][]> {
  const [without, withThem, told, cpu]: [number[], number[], number[], number[]] = [[], [], [], []];
  await using world = await openWorld();
  await submitAll(world, null);
  for (let run = 0; run < RUNS; run++) {
    await using sink = await openSink();
    const before = cpuMs(world);
    without.push(await submitAll(world, null));
    const between = cpuMs(world);
    const began = performance.now();
    withThem.push(await submitAll(world, sink.url));
    await until('all are told', () => sink.received.length >= JOBS, { everyMs: 2 });
    told.push(JOBS / ((performance.now() - began) / 1000));
    cpu.push((cpuMs(world) - between - (between - before)) / JOBS);
  }
  const [bare, ours] = [median(without), median(withThem)];
  return [
    [`jobs accepted per second, ${CALLERS} clients, nobody told`, figure(bare)],
    ['… each told to a receiver at the same time', figure(ours)],
    ['messages per second meanwhile', figure(median(told))],
    ['processor time of the server for one message, ms', figure(median(cpu))],
  ];
}

/** Writes `PENDING` jobs with a message each into the store of a home no server has. */
async function writePending(world: World, url: string): Promise<void> {
  const store = openSqliteStore({ path: world.home.database });
  await store.start();
  const job = {
    repository: 'demo',
    prompt: 'no-op',
    command: ['true'],
    agent: 'exec',
    pipeline: 'implement' as const,
    priority: 0,
    onInterrupt: 'continue' as const,
    limits: DEFAULT_LIMITS,
    deadlineMs: null,
    start: true,
    principal: 'local',
    idempotency: null,
    callbacks: [{ url, events: [...JOB_CALLBACK_TYPES] }],
  };
  await Promise.all(Array.from({ length: PENDING }, () => store.acceptJob(job)));
  await store.stop();
}

async function benchStart(): Promise<string[][]> {
  const [ready, readyCpu, told]: [number[], number[], number[]] = [[], [], []];
  for (let run = 0; run < RUNS; run++) {
    await using sink = await openSink();
    await using world = await openWorld();
    await world.kill();
    await writePending(world, sink.url);
    const began = performance.now();
    await world.start();
    ready.push(performance.now() - began);
    readyCpu.push(cpuMs(world));
    const readyAt = performance.now();
    await until('all are told', () => sink.received.length >= PENDING, { everyMs: 2 });
    told.push(PENDING / ((performance.now() - readyAt) / 1000));
  }
  return [
    [`start with ${PENDING} messages and as many jobs waiting → ready, ms`, figure(median(ready))],
    ['… processor time of it, ms', figure(median(readyCpu))],
    ['messages per second from there', figure(median(told))],
  ];
}

/** Prints submission with and without callbacks, the rate of messages, and a start with many of them waiting. */
export async function benchCallbacks(): Promise<void> {
  const rows = [...(await benchSubmission()), ...(await benchStart())];
  printTable('Callbacks to a receiver on loopback', ['', 'holdfast'], rows);
}
