/** From SIGKILL of the server to the first answer and to the last agent reattached, by live agents and by history. */
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RecoveryReport } from '../src/lifecycle/report.ts';
import { readServerFile } from '../src/server/server-file.ts';
import { openSqliteStore } from '../src/store/sqlite/sqlite-store.ts';
import { until } from '../test/support/poll.ts';
import { World } from '../test/support/world.ts';
import { figure, median, printTable } from './table.ts';
import { makeNewJob } from './new-job.ts';

const RUNS = 3;
const HISTORY_CALLERS = 64;

/** Writes `count` finished jobs into the store of a home no server has. */
async function writeHistory(world: World, count: number): Promise<void> {
  const store = openSqliteStore({ path: world.home.database });
  await store.start();
  let left = count;
  const work = async (): Promise<void> => {
    while (left-- > 0) {
      await store.acceptJob(makeNewJob('demo'));
      const [job] = await store.claimJobs({ boot: 'boot', hostLimit: 1_000_000, max: 1 });
      if (job === undefined) throw new Error('nothing to claim');
      const owner = { fence: job.fence, actor: 'bench' };
      const { attempt } = await store.intendAttempt({
        jobId: job.id,
        fence: job.fence,
        mode: 'cold',
        sessionId: null,
        boot: 'boot',
      });
      await store.settleAttempt(
        { id: attempt.id, transition: 'finish', ...owner },
        { id: job.id, transition: 'complete', ...owner },
      );
    }
  };
  await Promise.all(Array.from({ length: HISTORY_CALLERS }, work));
  await store.stop();
}

interface Restart {
  firstAnswerMs: number;
  reattachedMs: number;
  recoveryMs: number;
}

/** Kills the server, starts it again, and takes both times from the kill. */
async function restart(world: World, live: number, cache: string): Promise<Restart> {
  const began = performance.now();
  await world.kill();
  const server = await world.start({ waitReady: false, env: { NODE_COMPILE_CACHE: cache } });
  const url = await until(
    'server.json is new',
    async () => {
      const info = await readServerFile(world.home.serverFile);
      return info?.pid === server.identity.pid ? info.url : null;
    },
    { everyMs: 2 },
  );
  await until('the first answer', async () => (await fetch(`${url}/healthz`).catch(() => null))?.ok, { everyMs: 2 });
  const firstAnswerMs = performance.now() - began;
  await until('it is ready', async () => (await fetch(`${url}/readyz`).catch(() => null))?.ok, { everyMs: 2 });
  const reattachedMs = performance.now() - began;
  const report = (await world.api('GET', '/v1/recovery/boots/latest')).body as {
    report?: RecoveryReport;
  } & RecoveryReport;
  const found = (report.report ?? report).jobs.filter((job) => job.outcome === 'reattached').length;
  if (found !== live) throw new Error(`${found} of ${live} agents were reattached`);
  return { firstAnswerMs, reattachedMs, recoveryMs: (report.report ?? report).recoveryMs };
}

/** The least a restart can cost here: a bare node that answers one request. */
async function measureBareStart(): Promise<number> {
  const program = `require('node:http').createServer((q, a) => a.end('ok')).listen(0, '127.0.0.1', function () { console.log(this.address().port) })`;
  const began = performance.now();
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'ignore'] });
  const port = await new Promise<string>((resolve) =>
    child.stdout.once('data', (data: Buffer) => resolve(data.toString().trim())),
  );
  await (await fetch(`http://127.0.0.1:${port}/`)).text();
  const ms = performance.now() - began;
  child.kill('SIGKILL');
  return ms;
}

async function measureWorld(live: number, history: number, caches: { warm: string; cold: string }): Promise<string[]> {
  await using world = await World.create();
  await world.start();
  await world.register({ limits: { concurrency: 1000 } });
  await world.kill();
  if (history > 0) await writeHistory(world, history);
  await writeFile(world.home.configFile, JSON.stringify({ limits: { agentsPerHost: 1000 } }));
  await world.start({ env: { NODE_COMPILE_CACHE: caches.warm } });
  const jobs = [];
  for (let i = 0; i < live; i++) jobs.push(await world.submitShell('echo ready; sleep 600'));
  for (const job of jobs) await until('the agent lives', async () => (await world.getJob(job.id)).outputBytes > 0);
  const cold = await restart(world, live, join(caches.cold, `${live}-${history}`));
  const warm: Restart[] = [];
  for (let run = 0; run < RUNS; run++) warm.push(await restart(world, live, caches.warm));
  return [
    `${live} live, ${history.toLocaleString('en')} finished`,
    figure(median(warm.map((one) => one.firstAnswerMs))),
    figure(median(warm.map((one) => one.reattachedMs))),
    figure(cold.firstAnswerMs),
    figure(cold.reattachedMs),
    figure(median(warm.map((one) => one.recoveryMs))),
  ];
}

/** Prints restart times with 1, 20 and 100 live agents, without and with 10,000 finished jobs of history. */
export async function benchRestart(): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), 'holdfast-bench-'));
  try {
    const caches = { warm: join(root, 'warm'), cold: join(root, 'cold') };
    const bare: number[] = [];
    for (let run = 0; run < 5; run++) bare.push(await measureBareStart());
    const rows: string[][] = [];
    for (const history of [0, 10_000]) {
      for (const live of [1, 20, 100]) rows.push(await measureWorld(live, history, caches));
    }
    printTable(
      `SIGKILL of the server → answers again, ms (a bare node answers after ${figure(median(bare))} ms)`,
      ['', 'first answer', 'all reattached', 'cold: first answer', 'cold: reattached', 'recovery itself'],
      rows,
    );
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}
