import { toIso } from '../kernel/clock.ts';
import { baseOf, repositoriesOf, type Job } from '../lifecycle/job.ts';
import { lockKey } from '../lifecycle/lock-key.ts';
import { phaseOf, type Phase } from '../lifecycle/phase.ts';
import type { Lock, Place } from '../store/waiting-store.ts';
import type { Services } from './services.ts';

/** What jobs wait for, read once for a whole page. */
export interface WaitingFacts {
  places: ReadonlyMap<string, Place>;
  locks: readonly Lock[];
}

/** One thing a job waits for, and why it does. */
export interface WaitingFor {
  what: string;
  why: string;
}

/** Reads what a page of jobs may wait for. */
export async function readWaitingFacts({ store }: Services): Promise<WaitingFacts> {
  const [places, locks] = await Promise.all([store.listPlaces(), store.listLocks()]);
  return { places: new Map(places.map((place) => [place.repository, place])), locks };
}

/** Returns the phase of a job and everything it waits for; [] when it waits for nothing, or only for those before it. */
export function explainWaiting(
  job: Job,
  { places, locks }: WaitingFacts,
): { phase: Phase | null; waitingFor: WaitingFor[] } {
  const phase = phaseOf(
    job,
    locks.some((lock) => lock.jobId === job.id),
  );
  if (job.state === 'queued') {
    const others = repositoriesOf(job).flatMap((name) => whyQueued(job, places.get(name)));
    const frozen = { what: 'unfreeze', why: 'it is frozen: nothing of it starts before it is unfrozen' };
    return { phase, waitingFor: job.frozen ? [frozen, ...others] : others };
  }
  if (phase !== 'waiting') return { phase, waitingFor: [] };
  const keys = new Set(repositoriesOf(job).map((name) => lockKey('repo', name)));
  const held = locks.filter((lock) => keys.has(lock.key) && lock.jobId !== job.id);
  return { phase, waitingFor: held.map((lock) => ({ what: `lock:${lock.key}`, why: `held for ${lock.operation}` })) };
}

function whyQueued(job: Job, place: Place | undefined): WaitingFor[] {
  if (place === undefined) return [];
  const { repository, unavailable, trouble, active, concurrency } = place;
  if (unavailable !== null) return [{ what: `repository:${repository}`, why: unavailable }];
  if (trouble !== null && trouble.retryAt !== null && baseOf(job, repository) === null)
    return [{ what: `source:${repository}`, why: `${trouble.why}; asked again at ${toIso(trouble.retryAt)}` }];
  if (active < concurrency) return [];
  return [{ what: `place:${repository}`, why: `${active} of ${concurrency} places are taken` }];
}
