/**
 * The queue room decides when queued work may begin. It owns no state: order, limits and claims are in the store; this
 * loop only asks for the next claims whenever a commit may have made room or brought work. It starts nothing itself.
 */
import { backoffMs } from '../kernel/backoff.ts';
import type { Log } from '../kernel/log.ts';
import { messageOf } from '../kernel/result.ts';
import type { Service } from '../kernel/service.ts';
import type { Job, JobIn } from '../lifecycle/job.ts';
import type { JournalEvent, Store } from '../store/store.ts';

/** Claims asked for at once; more only makes the first ones wait for the last. */
const CLAIM_BATCH = 32;

/** Longest pause after a failed claim (full disk), milliseconds. */
const MAX_RETRY_MS = 30_000;

export interface DispatcherOptions {
  store: Store;
  /** Boot that claims. */
  boot: string;
  /** Jobs of this host at work at once. */
  hostLimit: number;
  /** Whether new work may begin now; who says no calls `wake` when that changes. */
  admit: () => Promise<boolean>;
  /** Takes over a claimed job; must not throw. */
  onClaimed: (job: JobIn<'preparing'>) => void;
  /** Hears of a job whose record was found damaged when its turn came: it is quarantined already. Must not throw. */
  onDamaged: (job: Job) => void;
  log: Log;
}

export interface Dispatcher extends Service {
  /** Asks for the next claims: something that held work up has changed. */
  wake(): void;
}

/** Returns the dispatcher; it claims nothing before `start`. */
export function createDispatcher(options: DispatcherOptions): Dispatcher {
  let running = false;
  let asked = false;
  let busy: Promise<void> | null = null;
  let failures = 0;
  let retry: NodeJS.Timeout | null = null;
  let unsubscribe: (() => void) | null = null;

  const claimAll = async (): Promise<void> => {
    while (asked && running) {
      asked = false;
      try {
        if (!(await options.admit())) continue;
        const jobs = await options.store.claimJobs({
          boot: options.boot,
          hostLimit: options.hostLimit,
          max: CLAIM_BATCH,
        });
        failures = 0;
        for (const job of jobs) {
          if (job.state === 'preparing') options.onClaimed(job);
          else options.onDamaged(job);
        }
        if (jobs.length === CLAIM_BATCH) asked = true;
      } catch (error) {
        failures += 1;
        const waitMs = backoffMs(failures, 250, MAX_RETRY_MS);
        options.log.error(`claim failed, next try in ${waitMs} ms: ${messageOf(error)}`);
        retry = setTimeout(wake, waitMs);
      }
    }
  };

  const wake = (): void => {
    asked = true;
    if (!running || busy !== null) return;
    busy = claimAll().finally(() => {
      busy = null;
      if (asked && running) wake();
    });
  };

  return {
    wake,
    async start() {
      if (running) return;
      running = true;
      unsubscribe = options.store.onCommit((events) => {
        if (events.some(mayFreeOrBringWork)) wake();
      });
      wake();
    },
    async stop() {
      running = false;
      unsubscribe?.();
      if (retry !== null) clearTimeout(retry);
      await busy;
    },
  };
}

/** Whether an event may let a queued job begin: new or unfrozen work, an ended or returned job, a repository available again. */
function mayFreeOrBringWork(event: JournalEvent): boolean {
  if (event.kind.startsWith('repository.') || event.kind === 'job.unfreeze') return true;
  return event.kind.startsWith('job.') && 'state' in event.data && event.data['state'] !== 'running';
}
