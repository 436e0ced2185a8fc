/** What is being done about work that does not go on by itself as it should. Pure. */
import type { Attempt } from './attempt.ts';
import type { JobCore } from './job.ts';
import { isActive, type JobState } from './transitions.ts';

export const RECOVERY_STATES = ['running', 'queued', 'none'] as const;
/** Somebody is at it; it waits for its turn; nobody will, before a person acts. */
export type RecoveryState = (typeof RECOVERY_STATES)[number];

/** Tasks that mend what a stage found. */
const MENDING = new Set<string>(['fix', 'commit', 'resolve']);

type Facts = Pick<JobCore, 'frozen' | 'step'> & { state: JobState };
type Tried = Pick<Attempt, 'state' | 'stage' | 'epoch'>;

/**
 * Returns what is done about work that is held up: blocked, set aside, interrupted, or sent back by a gate; null where
 * nothing is. `attempts` are its newest ones, oldest first.
 */
export function recoveryOf(job: Facts, attempts: readonly Tried[]): RecoveryState | null {
  const { state, step } = job;
  if (state === 'blocked' || state === 'quarantined') return 'none';
  if (state !== 'queued' && !isActive(state)) return null;
  const isHeldUp = MENDING.has(step?.task ?? '') || wasInterrupted(attempts);
  if (!isHeldUp) return null;
  if (state !== 'queued') return 'running';
  return job.frozen ? 'none' : 'queued';
}

/** The newest attempt was cut off, or the one before it, whose stage the newest goes on with. */
function wasInterrupted(attempts: readonly Tried[]): boolean {
  const last = attempts.at(-1);
  if (last === undefined) return false;
  if (last.state === 'interrupted') return true;
  const before = attempts.at(-2);
  const isLive = last.state === 'intended' || last.state === 'running';
  return isLive && before?.state === 'interrupted' && before.stage === last.stage && before.epoch === last.epoch;
}
