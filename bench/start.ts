/** From the request to the agent's first byte on disk, and what a keeper costs, beside a bare detached process. */
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, statSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readProcess, TICKS_PER_SECOND } from '../src/keeper/host-identity.ts';
import { until } from '../test/support/poll.ts';
import { World } from '../test/support/world.ts';
import { figure, median, printTable, quantile } from './table.ts';

const STARTS = 15;
const IDLE_JOBS = 10;
const IDLE_MS = 10_000;

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

async function bareStart(world: World): Promise<number> {
  const path = join(world.root, `bare-${Math.random()}`);
  const began = performance.now();
  const fd = openSync(path, 'a');
  const child = spawn('sh', ['-c', 'echo x'], { detached: true, stdio: ['ignore', fd, fd] });
  child.unref();
  closeSync(fd);
  await until('the first byte', () => sizeOf(path) > 0, { everyMs: 0.2 });
  return performance.now() - began;
}

/** Our own path, with the workspace made anew for every job as for a user's. */
async function ourStart(world: World): Promise<number> {
  const began = performance.now();
  const job = await world.submitShell('echo x');
  const path = join(world.home.runDirectory(job.id, 1), 'output');
  await until('the first byte', () => sizeOf(path) > 0, { everyMs: 0.2 });
  const ms = performance.now() - began;
  await world.awaitState(job.id, 'completed');
  return ms;
}

/** Private memory of a process in KiB: what it costs beside others of its kind. */
function privateKib(pid: number): number {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return ['Private_Clean', 'Private_Dirty'].reduce(
    (sum, name) => sum + Number(new RegExp(`${name}:\\s+(\\d+)`).exec(text)?.[1] ?? 0),
    0,
  );
}

async function benchKeepers(world: World): Promise<string[][]> {
  const jobs = [];
  for (let i = 0; i < IDLE_JOBS; i++) jobs.push(await world.submitShell('sleep 600'));
  for (const job of jobs) await world.awaitState(job.id, 'running');
  const keepers = await until('all keepers live', async () => {
    const found = await world.listKeepers();
    return found.length === IDLE_JOBS ? found : null;
  });
  await sleep(1000);
  const bare = spawn(process.execPath, ['--v8-pool-size=0', '-e', 'setInterval(() => {}, 5000)'], { stdio: 'ignore' });
  await sleep(1000);
  const ticks = (): number => keepers.reduce((sum, one) => sum + (readProcess(one.pid)?.cpuTicks ?? 0), 0);
  const before = ticks();
  await sleep(IDLE_MS);
  const cpu = ((ticks() - before) / TICKS_PER_SECOND / (IDLE_MS / 1000) / IDLE_JOBS) * 100;
  const memory = median(keepers.map((one) => privateKib(one.pid))) / 1024;
  const bareMemory = privateKib(bare.pid ?? 0) / 1024;
  bare.kill('SIGKILL');
  for (const job of jobs) await world.api('POST', `/v1/jobs/${job.id}/cancel`);
  for (const job of jobs) await world.awaitState(job.id, 'cancelled');
  return [
    [
      'keeper, private memory MiB (bare: an idle node)',
      figure(memory),
      figure(bareMemory),
      figure(memory / bareMemory),
    ],
    ['keeper, idle CPU % of one core', figure(cpu), '', ''],
  ];
}

/** Prints start latency, keeper memory and keeper idle CPU. */
export async function benchStart(): Promise<void> {
  await using world = await World.create();
  await mkdir(world.home.root);
  await writeFile(world.home.configFile, JSON.stringify({ limits: { agentsPerHost: 100 } }));
  await world.start();
  await world.register({ limits: { concurrency: 100 } });
  const ours: number[] = [];
  const bare: number[] = [];
  await ourStart(world);
  for (let i = 0; i < STARTS; i++) {
    ours.push(await ourStart(world));
    bare.push(await bareStart(world));
  }
  const keepers = await benchKeepers(world);
  printTable(
    'Starting an agent (bare: a detached sh)',
    ['', 'holdfast', 'bare', 'ratio'],
    [
      [
        'request → first byte on disk, median ms',
        figure(median(ours)),
        figure(median(bare)),
        figure(median(ours) / median(bare)),
      ],
      ['request → first byte on disk, p90 ms', figure(quantile(ours, 0.9)), figure(quantile(bare, 0.9)), ''],
      ...keepers,
    ],
  );
}
