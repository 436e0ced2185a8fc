/** What an operator can ask of a job as it is now: told in every refusal, so that nobody has to guess. Pure. */
import type { JobCore } from './job.ts';
import { canMoveJob, isTerminal, type JobState } from './transitions.ts';

export const JOB_COMMANDS = [
  'start',
  'cancel',
  'retry',
  'fixup',
  'freeze',
  'unfreeze',
  'remove',
  'checkout',
  'apply',
] as const;
export type JobCommand = (typeof JOB_COMMANDS)[number];

type Facts = Pick<JobCore, 'frozen' | 'plan' | 'reason' | 'awaits'> & { state: JobState };

/** Returns the commands a job takes in its state, in the order people read them in. */
export function listLegalCommands(job: Facts): JobCommand[] {
  return JOB_COMMANDS.filter((command) => isLegal(job, command));
}

function isLegal(job: Facts, command: JobCommand): boolean {
  const { state, reason } = job;
  switch (command) {
    case 'start':
    case 'cancel':
      return canMoveJob(state, command);
    case 'retry':
      // Handed off as it should be, it has nothing to repeat; a weak packet can never begin.
      return canMoveJob(state, command) && !(state === 'ready' && reason === null) && reason !== 'weak_packet';
    case 'fixup':
      // What still waited for others has no work to be mended.
      return canMoveJob(state, command) && job.plan !== null && job.awaits === null && reason !== 'weak_packet';
    case 'freeze':
      return !job.frozen && !isTerminal(state);
    case 'unfreeze':
      return job.frozen;
    case 'remove':
      return isTerminal(state);
    case 'checkout':
    case 'apply':
      return hasWork(job);
  }
}

/** Nobody works on it any more, and it may have left something: it has ended, or a person must look at it. */
function hasWork({ state, reason }: Pick<Facts, 'state' | 'reason'>): boolean {
  const never = reason === 'weak_packet' || reason === 'dependency_failed';
  return (isTerminal(state) || state === 'blocked') && !never;
}

/** Returns the commands as the end of a sentence. */
export function tellLegalCommands(job: Facts): string {
  const legal = listLegalCommands(job);
  return `what it takes now: ${legal.length === 0 ? 'nothing but looking at it' : legal.join(', ')}`;
}
