/**
 * Works on a store alone, one call after the other, so that the same operations come in the same order in every run: the
 * part of a crash that concerns the database, a hundred times as often as whole servers could try it.
 * Arguments: database, log to which what was answered is appended.
 */
import { sha256 } from '../../../src/kernel/hash.ts';
import type { Job } from '../../../src/lifecycle/job.ts';
import { newAttempt, newBoot, newJob, newRepository } from '../../../src/store/conformance/fixtures.ts';
import { openSqliteStore } from '../../../src/store/sqlite/sqlite-store.ts';
import type { Store } from '../../../src/store/store.ts';
import { recordPromise } from './operation-log.ts';

const [path = '', log = ''] = process.argv.slice(2);
const store: Store = openSqliteStore({ path });

/** Tells the log what is promised from now on: everything up to the sequence the journal has. */
async function told<T>(answer: Promise<T>): Promise<T> {
  const value = await answer;
  recordPromise(log, { seq: await store.getLastSeq() });
  return value;
}

async function accept(prompt: string, start = true): Promise<Job> {
  const idempotency = { key: prompt, requestSha256: 'e'.repeat(64) };
  const { job } = await store.acceptJob(newJob({ prompt, start, idempotency }));
  // At once: another call would wait for the commit of this one.
  recordPromise(log, { job: job.id, promptSha256: sha256(prompt) });
  recordPromise(log, { seq: await store.getLastSeq() });
  return job;
}

async function work(boot: string, transition: 'complete' | 'fail' | 'interrupt'): Promise<void> {
  const [job] = await told(store.claimJobs({ boot, hostLimit: 100, max: 1 }));
  if (job === undefined) return;
  const { attempt } = await told(store.intendAttempt(newAttempt(job, { boot })));
  const owner = { fence: job.fence, actor: 'owner' };
  await told(store.moveAttempt({ id: attempt.id, transition: 'attach', ...owner }));
  await told(store.noteJob({ id: job.id, set: { outputBytes: 12 }, ...owner }));
  const end = transition === 'interrupt' ? 'interrupt' : 'finish';
  await told(store.settleAttempt({ id: attempt.id, transition: end, ...owner }, { id: job.id, transition, ...owner }));
}

async function play(round: number): Promise<void> {
  const boot = `boot_${round}`;
  await store.start();
  await told(store.recordBoot(newBoot(boot, { startedAt: 1_700_000_000_000 + round })));
  if ((await store.getRepository('app')) === null) await told(store.addRepository(newRepository({ concurrency: 100 })));
  const held = await accept(`held ${round}`, false);
  await accept(`first ${round}`);
  // Several at once: one transaction carries them all.
  await Promise.all([1, 2, 3].map((n) => accept(`together ${round}.${n}`)));
  for (const end of ['complete', 'fail', 'interrupt'] as const) await work(boot, end);
  await told(store.moveJob({ id: held.id, transition: 'start', fence: null, actor: 'operator' }));
  await told(store.requestCancel(held.id, 'operator'));
  await told(store.moveJob({ id: held.id, transition: 'retry', fence: null, actor: 'operator' }));
  const operation = { key: 'repo:app', boot, holder: { pid: 1, start: '1' }, operation: `op_${round}`, jobId: null };
  const lock = await told(store.acquireLock(operation));
  if (lock !== null) await told(store.releaseLock(lock.key, lock.fence));
  const token = await told(store.addToken({ name: `token ${round}`, sha256: sha256(String(round)) }));
  await told(store.revokeToken(token.id));
  const { repository: spare } = await told(store.addRepository(newRepository({ name: `spare-${round}` })));
  await told(store.removeRepository(`spare-${round}`, 'operator'));
  await told(store.finishRemoval(spare.id));
  await told(store.updateBoot(boot, { readyAt: 1_700_000_000_100 + round }));
  await store.stop();
}

// A stop moves the log into the database; the second round writes over both.
for (const round of [1, 2]) await play(round);
