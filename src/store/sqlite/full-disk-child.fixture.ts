/**
 * Fills a small file system through the store, makes room again, and prints what happened as one line of JSON.
 * Arguments: database, file whose removal makes room.
 */
import { rmSync, writeFileSync } from 'node:fs';
import { isError } from '../../kernel/errors.ts';
import { newJob, newRepository } from '../conformance/fixtures.ts';
import { openSqliteStore } from './sqlite-store.ts';

const GROUP = 10;
const [path = '', ballast = ''] = process.argv.slice(2);

writeFileSync(ballast, Buffer.alloc(2 ** 20, 1));
let store = openSqliteStore({ path });
await store.start();
await store.addRepository(newRepository());

/** Accepts a group of large jobs; returns their ids, or the codes of their refusals. */
async function acceptGroup(round: number): Promise<string[]> {
  const accepts = Array.from({ length: GROUP }, (_, n) =>
    store.acceptJob(newJob({ prompt: `${round}.${n} `.repeat(5000) })).then(
      ({ job }) => job.id,
      (error: unknown) => (isError(error) ? error.code : String(error)),
    ),
  );
  return Promise.all(accepts);
}

const acknowledged: string[] = [];
let refused: string[] = [];
for (let round = 0; refused.length === 0 && round < 100; round++) {
  const answers = await acceptGroup(round);
  if (answers.every((answer) => answer.startsWith('job_'))) acknowledged.push(...answers);
  else refused = answers;
}
const seqWhenFull = await store.getLastSeq();
const jobsWhenFull = (await store.listJobs({ limit: 1 })).items[0]?.number ?? 0;
const checkWhenFull = await store.checkLive();
rmSync(ballast);
const after = await acceptGroup(1000);
acknowledged.push(...after.filter((answer) => answer.startsWith('job_')));
await store.stop();
store = openSqliteStore({ path });
await store.start();
const lost: string[] = [];
for (const id of acknowledged) if ((await store.getJob(id)) === null) lost.push(id);
const check = await store.checkDeep();
await store.stop();
const result = {
  acknowledged: acknowledged.length,
  refused,
  seqWhenFull,
  jobsWhenFull,
  checkWhenFull,
  after,
  lost,
  check,
};
process.stdout.write(`${JSON.stringify(result)}\n`);
