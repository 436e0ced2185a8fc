/** The flag that keeps a job out of the hands of the dispatcher, whatever state it is in. */
import { fail } from '../../kernel/errors.ts';
import type { Job } from '../../lifecycle/job.ts';
import { isTerminal } from '../../lifecycle/transitions.ts';
import type { Store } from '../store.ts';
import { writeJob } from './write-job.ts';
import { readJob, toJob } from './jobs.ts';
import type { Session } from './session.ts';

/**
 * Freezes or unfreezes a job; nothing is written when it is as wanted. Its owner, if it has one, is not disturbed: the flag
 * is looked at by claims only. Throws `state-conflict` for a job that has ended and would be frozen.
 */
export function freezeJob(session: Session, ...[freeze]: Parameters<Store['freezeJob']>): Job {
  const { id, frozen, actor } = freeze;
  const job = readJob(session, id);
  const { number, state } = job.record;
  if (job.record.frozen === frozen) return toJob(job.record);
  const refusal = () => fail('state-conflict', `job ${number} is ${state}: nothing of it starts any more`);
  if (frozen && isTerminal(state)) throw refusal();
  const kind = frozen ? 'job.freeze' : 'job.unfreeze';
  const { record } = writeJob(session, job, { kind, actor, changes: { frozen }, guard: '', fence: null, refusal });
  session.counters.recountFrozen({ before: job.record, after: record });
  return toJob(record);
}
