/** Thread of one background check: posts what each slice looked at, then that it is done, or an error text. */
import { DatabaseSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';
import { messageOf } from '../../kernel/result.ts';
import { scrubSlices } from './scrub.ts';
import { Sql } from './sql.ts';

/** Rests this many times as long as it has worked: a quarter of one core at most. */
const REST = 3;

const { path } = workerData as { path: string };
const clock = new Int32Array(new SharedArrayBuffer(4));

function run(): void {
  const database = new DatabaseSync(path, { readOnly: true, timeout: 5000 });
  try {
    let began = performance.now();
    for (const slice of scrubSlices(new Sql(database), path)) {
      parentPort?.postMessage({ slice });
      Atomics.wait(clock, 0, 0, 1 + REST * (performance.now() - began));
      began = performance.now();
    }
  } finally {
    database.close();
  }
}

try {
  run();
  parentPort?.postMessage({});
} catch (error) {
  parentPort?.postMessage({ error: messageOf(error) });
}
