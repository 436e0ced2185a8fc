/** Every ended round of a job counts once, whatever was killed meanwhile. */
import assert from 'node:assert/strict';
import type { StatisticsPageView, StatisticView } from '../../src/api/contract.ts';
import { isTerminal } from '../../src/lifecycle/transitions.ts';
import type { Home } from '../../src/lifecycle/home.ts';
import { countAll } from '../../src/statistics/journal.fixture.ts';
import { encodeStatistics, readStatistics } from '../../src/statistics/statistics-file.ts';
import type { JournalEvent } from '../../src/store/store.ts';
import { until } from '../support/poll.ts';
import type { JobView, World } from '../support/world.ts';

/** Statistics of a world once everything in its journal is counted. */
export async function readCounted(world: World): Promise<StatisticView[]> {
  return until('the journal is counted', async () => {
    const page = (await world.api('GET', '/v1/statistics')).body as StatisticsPageView;
    return page.complete ? page.items : null;
  });
}

/** As many ended as there are ended jobs: for worlds where none was retried or removed. */
export async function checkCounted(world: World): Promise<void> {
  const jobs = ((await world.api('GET', '/v1/jobs?limit=200')).body as { items: JobView[] }).items;
  const ended = jobs.filter((job) => isTerminal(job.state as Parameters<typeof isTerminal>[0]));
  const wanted = { success: 0, failure: 0, cancelled: 0, timed_out: 0 };
  for (const { outcome } of ended) wanted[outcome as keyof typeof wanted] += 1;
  await until(`${JSON.stringify(wanted)} is counted`, async () => {
    const counted = { success: 0, failure: 0, cancelled: 0, timed_out: 0 };
    const outcomes = Object.keys(counted) as (keyof typeof counted)[];
    for (const item of await readCounted(world)) for (const one of outcomes) counted[one] += item.ended[one];
    // More than there are will not become less.
    for (const one of outcomes) assert.ok(counted[one] <= wanted[one], `${counted[one]} jobs counted as ${one}`);
    return JSON.stringify(counted) === JSON.stringify(wanted);
  });
}

/** The file, when it was written, says what counting the journal at once up to its sequence gives. */
export async function checkStatisticsFile(home: Home, events: readonly JournalEvent[]): Promise<void> {
  const reading = await readStatistics(home.statisticsFile);
  if (reading.kind === 'absent') return;
  assert.ok(reading.kind === 'ok', `statistics.json: ${JSON.stringify(reading)}`);
  // The events of a removed job are gone; what was counted of it stays.
  if (events.some(({ kind }) => kind === 'job.remove')) return;
  const counted = countAll(events.filter(({ seq }) => seq <= reading.state.throughSeq));
  assert.equal(encodeStatistics(reading.state), encodeStatistics(counted.state));
}
