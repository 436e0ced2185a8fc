/**
 * Works on a store until it is killed: accepts, claims, launches and settles with several callers, and writes a line to
 * stdout for every answer it gets. What stdout says was acknowledged, witnessed outside the data directory.
 * Arguments: database, failpoints.
 */
import { writeSync } from 'node:fs';
import { newAttempt, newJob, newRepository } from '../conformance/fixtures.ts';
import { openSqliteStore } from './sqlite-store.ts';

const CALLERS = 24;
const ROUNDS = 200;

const [path = '', failpoints = ''] = process.argv.slice(2);
const store = openSqliteStore({ path, failpoints });
const say = (...words: (string | number)[]): void => void writeSync(1, `${words.join(' ')}\n`);

await store.start();
say('ready', process.pid);
if ((await store.getRepository('app')) === null) await store.addRepository(newRepository({ concurrency: 1000 }));

async function work(caller: number): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) {
    const key = `${process.pid}-${caller}-${round}`;
    const idempotency = { key, requestSha256: 'e'.repeat(64) };
    say('sent', key);
    const { job } = await store.acceptJob(newJob({ prompt: `prompt ${key}`, idempotency }));
    say('accepted', job.id, job.number, key);
    const [claimed] = await store.claimJobs({ boot: 'boot_a', hostLimit: 1000, max: 1 });
    if (claimed === undefined) continue;
    say('claimed', claimed.id, claimed.fence);
    const { attempt } = await store.intendAttempt(newAttempt(claimed));
    say('launched', claimed.id, attempt.id);
    const owner = { fence: claimed.fence, actor: 'owner' };
    await store.settleAttempt(
      { id: attempt.id, transition: 'finish', ...owner },
      { id: claimed.id, transition: 'complete', ...owner },
    );
    say('settled', claimed.id);
  }
}

await Promise.all(Array.from({ length: CALLERS }, (_, caller) => work(caller)));
say('end');
await store.stop();
