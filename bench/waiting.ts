/** From SIGKILL to ready with a long queue, callbacks that wait, and many locks of a dead server. */
import { readFileSync } from 'node:fs';
import { openSqliteStore } from '../src/store/sqlite/sqlite-store.ts';
import type { Store } from '../src/store/store.ts';
import { World } from '../test/support/world.ts';
import { figure, median, printTable } from './table.ts';
import { makeNewJob } from './new-job.ts';

const RUNS = 3;
const QUEUED = 10_000;
const LOCKS = 500;
const CALLBACKS = 1000;
/** Nobody answers here, and the rules refuse it anyway: only the start is measured. */
const CALLBACK = { url: 'https://127.0.0.1:9/hook', events: ['job.queued' as const] };
/** Clock ticks of /proc in milliseconds: 100 a second on every Linux. */
const TICK_MS = 10;
const CALLERS = 64;

async function inParallel(count: number, work: (n: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const caller = async (): Promise<void> => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
}

function acceptOne(store: Store, n: number): Promise<unknown> {
  const callbacks = n < CALLBACKS ? { callbacks: [CALLBACK] } : {};
  return store.acceptJob({ ...makeNewJob(`r${n % LOCKS}`), ...callbacks });
}

/** Processor time a process has used, milliseconds: on a busy machine it says more than the clock. */
function readCpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** What a server leaves that was killed with all of it open: every lock belongs to a process that is gone. */
async function fill(world: World): Promise<void> {
  const store = openSqliteStore({ path: world.home.database });
  await store.start();
  const settings = { base: 'main', verify: [], merge: false, trusted: false, concurrency: 3, command: null };
  await inParallel(LOCKS, (n) =>
    store.addRepository({ name: `r${n}`, source: world.repository, sourceKind: 'path', ...settings }),
  );
  await inParallel(LOCKS, async (n) => {
    await store.updateRepository(`r${n}`, { cloneState: 'ready', unavailable: 'only the start is measured' }, 'bench');
    const holder = { pid: 2 ** 22 + n, start: '1' };
    await store.acquireLock({ key: `repo:r${n}`, boot: 'boot_gone', holder, operation: `op_${n}`, jobId: null });
  });
  await inParallel(QUEUED, (n) => acceptOne(store, n));
  await store.stop();
}

/** Prints the time of a start that finds ten thousand queued jobs and five hundred locks of a dead server. */
export async function benchWaiting(): Promise<void> {
  const rows: string[][] = [];
  const times: number[] = [];
  let locks = '';
  for (let run = 0; run < RUNS; run++) {
    await using world = await World.create();
    await world.start();
    await world.kill();
    await fill(world);
    const { identity } = await world.start();
    const cpuMs = readCpuMs(identity.pid);
    const report = await world.readReport();
    times.push(report.recoveryMs);
    locks = `${report.locks.filter((one) => one.decision === 'removed').length} of ${LOCKS}`;
    const phases = report.phases.map(({ name, ms }) => `${name} ${ms}`).join(' · ');
    const pending = report.deliveries.reduce((sum, one) => sum + one.count, 0);
    rows.push([`run ${run + 1}`, figure(report.recoveryMs), figure(cpuMs), locks, String(pending), phases]);
  }
  rows.push(['median', figure(median(times)), '', locks, '', '']);
  printTable(
    `Start with ${QUEUED} queued jobs, ${CALLBACKS} pending callbacks and ${LOCKS} locks of a dead server (aim: below 2,000 ms)`,
    ['', 'to ready, ms', 'processor, ms', 'locks removed', 'callbacks', 'phases, ms'],
    rows,
  );
}
