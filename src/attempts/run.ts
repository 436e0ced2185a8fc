import { setMaxListeners } from 'node:events';
import type { KeeperConnection } from '../keeper/connect.ts';
import { fail } from '../kernel/errors.ts';
import type { Attempt } from '../lifecycle/attempt.ts';
import type { Trouble } from './decide.ts';
import type { Judgement } from './gather-facts.ts';
import { killOrphan } from './resolve-attempt.ts';
import type { PassedLimit } from './watch-orphan.ts';

/** One job in the hands of this server: what there is to stop when it is cancelled. */
export interface Run {
  /** Aborted when the job is cancelled before it has an attempt. */
  readonly preparing: AbortController;
  attempt: Attempt | null;
  /** While a keeper is followed. */
  connection: KeeperConnection | null;
  /** While an agent without a keeper is watched. */
  orphan: Judgement | null;
  /** Which limit an agent without a keeper passed, for which this server ended it. */
  passedLimit: PassedLimit | null;
  /** What went wrong while its attempt was being started. */
  trouble: Trouble | null;
  cancelled: boolean;
  /** It was asked to stop so that it is continued later. */
  paused: boolean;
}

/** Returns the record of a job this server has just taken in hand. */
export function openRun(cancelled: boolean): Run {
  const preparing = new AbortController();
  setMaxListeners(0, preparing.signal);
  return {
    preparing,
    attempt: null,
    connection: null,
    orphan: null,
    passedLimit: null,
    trouble: null,
    cancelled,
    paused: false,
  };
}

/** Passes the wish to cancel on to whatever lives of the run now; what comes to life later asks `cancelled` itself. */
export async function cancelRun(run: Run): Promise<void> {
  run.cancelled = true;
  if (run.connection !== null) await run.connection.stop('cancel');
  else if (run.orphan !== null && run.attempt !== null) await killOrphan(run.attempt, run.orphan);
  else if (run.attempt === null) run.preparing.abort(fail('state-conflict', 'the job was cancelled'));
}
