import type { Job } from '../../lifecycle/job.ts';
import { fail } from '../../kernel/errors.ts';
import { writeJob } from './write-job.ts';
import { readJob, toJob } from './jobs.ts';
import type { Session } from './session.ts';

/** Appends a warning to the chain of a job; its row keeps everything but its version. Throws `fenced`. */
export function warnJob(session: Session, input: { id: string; fence: number; warning: string; actor: string }): Job {
  const { id, fence, warning, actor } = input;
  const job = readJob(session, id);
  const refusal = () => fail('fenced', `claim ${fence} of job ${job.record.number} is over`);
  const write = { kind: 'job.warn', actor, changes: {}, note: { warning }, guard: '', fence, refusal };
  return toJob(writeJob(session, job, write).record);
}
