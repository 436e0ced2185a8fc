/** What a thousand idle event streams cost: memory and processor time of the server, and the submissions beside them. */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { World } from '../test/support/world.ts';
import type { FromClients, ToClients } from './stream-clients.ts';
import { measure, SUBMISSIONS, type Figures, type Target } from './submit.ts';
import { figure, median, printTable } from './table.ts';

const EVENT_STREAMS = 500;
const JOB_STREAMS = 500;
/** Jobs that run while they are watched: as many as one repository lets run at once. */
const RUNNING = 3;
const RUNS = 5;
const LIMIT_MB = 200;
/** Time over which the processor time of a server at rest is measured: two rounds of pings. */
const REST_MS = 30_000;
/** Clock ticks per second in /proc/<pid>/stat, USER_HZ of Linux. */
const TICKS_PER_SECOND = 100;

async function readRssMb(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
}

async function readCpuMs(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return ((Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND) * 1000;
}

/** Share of one core a server uses that nobody asks for anything, in percent. */
async function measureRest(pid: number): Promise<number> {
  const [before, began] = [await readCpuMs(pid), performance.now()];
  await sleep(REST_MS);
  return (((await readCpuMs(pid)) - before) / (performance.now() - began)) * 100;
}

interface Costs extends Figures {
  cpuMs: number;
}

/** How fast submissions are, and what processor time of the server each takes, milliseconds. */
async function measureSubmissions(target: Target, pid: number): Promise<Costs> {
  const before = await readCpuMs(pid);
  const figures = await measure(target);
  return { ...figures, cpuMs: ((await readCpuMs(pid)) - before) / SUBMISSIONS };
}

class Clients {
  readonly #worker = new Worker(new URL('./stream-clients.ts', import.meta.url));
  readonly #port: number;
  readonly #token: string;

  constructor({ url, token }: Target) {
    this.#port = Number(new URL(url).port);
    this.#token = token;
  }

  /** Opens these streams, or closes all; returns how many are open once each has answered. */
  async open(paths: string[]): Promise<number> {
    const answer = once(this.#worker, 'message');
    this.#worker.postMessage({ port: this.#port, token: this.#token, paths } satisfies ToClients);
    const [{ open }] = (await answer) as [FromClients];
    // Time for what ended to be let go on both sides.
    await sleep(2000);
    return open;
  }

  async stop(): Promise<void> {
    await this.#worker.terminate();
  }
}

/** Paths of the idle streams: half of all events, half of jobs that run or are held. */
async function listPaths(world: World): Promise<{ idle: string[]; finished: string[] }> {
  const jobs: string[] = [];
  const finished = await world.submit({ agent: 'exec', command: ['echo', 'done'] });
  await world.awaitState(finished.id, 'completed');
  for (let n = 0; n < RUNNING; n++) {
    const job = await world.submit({ agent: 'exec', command: ['sh', '-c', 'echo begun; exec sleep 3600'] });
    await world.awaitState(job.id, 'running');
    jobs.push(job.id);
  }
  jobs.push((await world.submit({ agent: 'exec', command: ['true'], start: false })).id);
  return {
    idle: [
      ...Array.from({ length: EVENT_STREAMS }, () => '/v1/events'),
      ...Array.from({ length: JOB_STREAMS }, (_, n) => `/v1/jobs/${jobs[n % jobs.length]}/stream`),
    ],
    finished: Array.from({ length: JOB_STREAMS }, () => `/v1/jobs/${finished.id}/stream`),
  };
}

/** Prints memory, processor time and submissions without and with the streams, alternating within one run. */
export async function benchStreams(): Promise<void> {
  await using world = await World.create();
  await world.start();
  await world.register();
  const { url, pid } = await world.readServer();
  const target = { url, token: (await readFile(world.home.tokenFile, 'utf8')).trim() };
  const clients = new Clients(target);
  const { idle, finished } = await listPaths(world);
  await measure(target);
  const restWithout = await measureRest(pid);
  const before = await readRssMb(pid);
  const leftOpen = await clients.open(finished);
  const opened = await clients.open(idle);
  const restWith = await measureRest(pid);
  const grownBy = (await readRssMb(pid)) - before;
  const without: Costs[] = [];
  const beside: Costs[] = [];
  for (let run = 0; run < RUNS; run++) {
    beside.push(await measureSubmissions(target, pid));
    await clients.open([]);
    without.push(await measureSubmissions(target, pid));
    if (run < RUNS - 1) await clients.open(idle);
  }
  await clients.stop();
  const metrics = String((await world.api('GET', '/metrics')).body);
  const behind = /^holdfast_streams_fell_behind_total (\d+)$/m.exec(metrics)?.[1] ?? '?';
  const row = (name: string, pick: (figures: Costs) => number): string[] => {
    const [a, b] = [median(beside.map(pick)), median(without.map(pick))];
    return [name, figure(a), figure(b), figure(a / b)];
  };
  printTable(
    `${opened} idle streams, ${EVENT_STREAMS} of all events and ${JOB_STREAMS} of jobs; ${finished.length} of a finished job before, ${leftOpen} of them left; ${behind} times a stream fell behind (limit: ${LIMIT_MB} MB; load ${figure(loadavg()[0] ?? 0)})`,
    ['', 'with', 'without', 'ratio'],
    [
      ['memory grown by MB', figure(grownBy), '–', `${grownBy <= LIMIT_MB ? 'below' : 'ABOVE'} ${LIMIT_MB}`],
      ['processor at rest, % of a core', figure(restWith), figure(restWithout), '–'],
      row('submission acknowledged p50 ms', (one) => one.p50),
      row('submission acknowledged p99 ms', (one) => one.p99),
      row('submissions per second, 16 clients', (one) => one.perSecond),
      row('processor of the server per submission, ms', (one) => one.cpuMs),
    ],
  );
}
