/**
 * `node bench/run.ts [NAME]…` (store, submit, start, tail, restart, callbacks, waiting, streams, pipeline) `[--jobs N]`: measures on this machine and
 * prints tables, each figure beside a bare equivalent measured in the same run. Nothing here passes or fails.
 */
import { availableParallelism, cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { benchCallbacks } from './callbacks.ts';
import { benchPipeline } from './pipeline.ts';
import { benchRestart } from './restart.ts';
import { benchStart } from './start.ts';
import { benchStore } from './store.ts';
import { benchStreams } from './streams.ts';
import { benchSubmit } from './submit.ts';
import { figure, printTable } from './table.ts';
import { benchTail } from './tail.ts';
import { benchWaiting } from './waiting.ts';

const { values, positionals: asked } = parseArgs({
  // How many whole pipelines are played.
  options: { jobs: { type: 'string', default: '1000' } },
  allowPositionals: true,
});
const jobs = Number(values.jobs);

const BENCHES: Record<string, () => Promise<void>> = {
  store: async () => {
    const rows = await benchStore();
    printTable(
      'Durable no-op jobs through the store (job: queue → claim → settle; attempt: with one intended and ended; bare: 4 KiB append + fdatasync)',
      ['shape, callers', 'jobs/s', 'flushes/s of the disk', 'ratio', 'commit p50 ms', 'commit p99 ms'],
      rows.map((row) => [
        `${row.shape}, ${row.callers}`,
        figure(row.jobsPerSecond),
        figure(row.syncsPerSecond),
        figure(row.ratio),
        figure(row.commitMsP50),
        figure(row.commitMsP99),
      ]),
    );
  },
  submit: benchSubmit,
  start: benchStart,
  tail: benchTail,
  restart: benchRestart,
  callbacks: benchCallbacks,
  waiting: benchWaiting,
  streams: benchStreams,
  pipeline: () => benchPipeline({ jobs }),
};

const unknown = asked.find((name) => !(name in BENCHES));
if (unknown !== undefined) {
  console.error(`there is no bench "${unknown}"; known are ${Object.keys(BENCHES).join(', ')}`);
  process.exit(2);
}
console.log(`node ${process.version}, ${availableParallelism()} cores, ${cpus()[0]?.model ?? 'unknown processor'}`);
for (const [name, bench] of Object.entries(BENCHES)) if (asked.length === 0 || asked.includes(name)) await bench();
