/** From SIGKILL to ready with a long queue and many locks of a dead server. */
import { openSqliteStore } from '../src/store/sqlite/sqlite-store.ts';
import type { Store } from '../src/store/store.ts';
import { World } from '../test/support/world.ts';
import { figure, median, printTable } from './table.ts';
import { makeNewJob } from './new-job.ts';

const RUNS = 3;
const QUEUED = 10_000;
const LOCKS = 500;
const CALLERS = 64;

async function inParallel(count: number, work: (n: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const caller = async (): Promise<void> => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
}

function acceptOne(store: Store, repository: string): Promise<unknown> {
  return store.acceptJob(makeNewJob(repository));
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
  await inParallel(QUEUED, (n) => acceptOne(store, `r${n % LOCKS}`));
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
    await world.start();
    const report = await world.readReport();
    times.push(report.recoveryMs);
    locks = `${report.locks.filter((one) => one.decision === 'removed').length} of ${LOCKS}`;
    const phases = report.phases.map(({ name, ms }) => `${name} ${ms}`).join(' · ');
    rows.push([`run ${run + 1}`, figure(report.recoveryMs), locks, phases]);
  }
  rows.push(['median', figure(median(times)), locks, '']);
  printTable(
    `Start with ${QUEUED} queued jobs and ${LOCKS} locks of a dead server (aim: below 2,000 ms)`,
    ['', 'to ready, ms', 'locks removed', 'phases, ms'],
    rows,
  );
}
