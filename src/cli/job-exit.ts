import type { JobState } from '../lifecycle/transitions.ts';

/** Exit code for a job that still works; callers that wait go on waiting. */
export type JobExit = 0 | 7 | 8 | null;

/**
 * Returns the exit code a job in this state stands for: 0 completed or handed off, 7 ended otherwise, 8 needs a person (`reason` tells it of a hand-off), null while it
 * goes on by itself. A job that was never started stays null: somebody may still start it.
 */
export function exitOfState(state: JobState, reason: string | null = null): JobExit {
  switch (state) {
    case 'completed':
      return 0;
    case 'ready':
      return reason === null ? 0 : 8;
    case 'failed':
    case 'cancelled':
    case 'timed_out':
      return 7;
    case 'blocked':
    case 'quarantined':
      return 8;
    case 'created':
    case 'waiting':
    case 'queued':
    case 'preparing':
    case 'running':
      return null;
  }
}

/** Returns the exit code for several ended jobs: a bad end outweighs one that needs a person, that outweighs success. */
export function worstExit(exits: readonly JobExit[]): 0 | 7 | 8 {
  if (exits.includes(7)) return 7;
  return exits.includes(8) ? 8 : 0;
}
