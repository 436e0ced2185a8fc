/**
 * Sources that do not answer: each is asked again after a growing pause, by the next job that needs it, and until then
 * nothing that needs it is claimed. The row of the repository holds why, how often and when, so that it can be seen and
 * outlives the server; only the alarm clock lives here.
 */
import { backoffMs } from '../kernel/backoff.ts';
import type { Clock } from '../kernel/clock.ts';
import { isError } from '../kernel/errors.ts';
import type { Log } from '../kernel/log.ts';
import { messageOf } from '../kernel/result.ts';
import type { Store } from '../store/store.ts';

/** First and longest pause before a source that did not answer is asked again, milliseconds. */
const FIRST_RETRY_MS = 5000;
const MAX_RETRY_MS = 5 * 60_000;

export interface SourceWatch {
  /** Records that the source of a repository did not answer, and when it is asked again. */
  reportSilent(repository: string, why: string): Promise<void>;
  /** Records that it answered. */
  reportAnswer(repository: string): Promise<void>;
  /** Sets the clocks of what earlier servers recorded: a start asks again at once. Returns how many. */
  resume(): Promise<number>;
}

/** Returns the watch over all sources of this server; `signal` ends its clocks. */
export function createSourceWatch(options: { store: Store; clock: Clock; log: Log; signal: AbortSignal }): SourceWatch {
  const { store, clock, log, signal } = options;
  const alarms = new Map<string, NodeJS.Timeout>();
  signal.addEventListener('abort', () => {
    for (const alarm of alarms.values()) clearTimeout(alarm);
  });

  const setDue = async (name: string): Promise<void> => {
    alarms.delete(name);
    const repository = await store.getRepository(name);
    if (repository === null || repository.trouble === null || repository.trouble.retryAt === null) return;
    await store.updateRepository(name, { trouble: { ...repository.trouble, retryAt: null } }, 'attempts');
  };

  const setAlarm = (name: string, waitMs: number): void => {
    clearTimeout(alarms.get(name));
    if (signal.aborted) return;
    const ring = (): void => {
      setDue(name).catch((error: unknown) => {
        if (signal.aborted || isError(error, 'repository-not-found')) return;
        log.warn(`the source of ${name} is asked again later: ${messageOf(error)}`);
        setAlarm(name, MAX_RETRY_MS);
      });
    };
    alarms.set(name, setTimeout(ring, waitMs));
  };

  return {
    async reportSilent(name, why) {
      const failures = ((await store.getRepository(name))?.trouble?.failures ?? 0) + 1;
      const waitMs = backoffMs(failures, FIRST_RETRY_MS, MAX_RETRY_MS);
      log.warn(`${why}; asked again in ${waitMs} ms`, { repository: name, failures });
      await store.updateRepository(name, { trouble: { why, failures, retryAt: clock.now() + waitMs } }, 'attempts');
      setAlarm(name, waitMs);
    },
    async reportAnswer(name) {
      clearTimeout(alarms.get(name));
      alarms.delete(name);
      await store.updateRepository(name, { trouble: null }, 'attempts');
    },
    async resume() {
      const waiting = (await store.listPlaces()).filter(({ trouble }) => trouble !== null && trouble.retryAt !== null);
      for (const { repository } of waiting) await setDue(repository);
      return waiting.length;
    },
  };
}
