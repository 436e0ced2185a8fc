/** A process of its own for failpoints.test.ts: `SPECIFICATION main|worker`; says `reached n` before each of three hits. */
import { once } from 'node:events';
import { writeSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { armFailpoints, failpoint } from './failpoints.ts';

const [specification, where] = process.argv.slice(2);

// A worker shares the arguments of its process, but not this word.
if (where === 'worker' && process.env['IN_WORKER'] === undefined) {
  const worker = new Worker(new URL(import.meta.url), {
    argv: process.argv.slice(2),
    env: { ...process.env, IN_WORKER: '1' },
  });
  await once(worker, 'exit');
} else {
  armFailpoints(specification);
  for (let hit = 1; hit <= 3; hit++) {
    writeSync(1, `reached ${hit}\n`);
    try {
      failpoint('store.before-commit');
    } catch (error) {
      writeSync(1, `${error instanceof Error && 'code' in error ? String(error.code) : 'no code'}: ${String(error)}\n`);
    }
  }
  writeSync(1, 'passed\n');
}
