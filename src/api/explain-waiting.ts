import { toIso } from '../kernel/clock.ts';
import { describeDependency, judgeDependency, type Dependency } from '../lifecycle/dependency.ts';
import { needsSource, repositoriesOf, type Job } from '../lifecycle/job.ts';
import { lockKey } from '../lifecycle/lock-key.ts';
import { phaseOf, type Phase } from '../lifecycle/phase.ts';
import { SURFACE_WINDOW, chooseSurfaces, describeObstacle, type Obstacle } from '../lifecycle/surface.ts';
import type { Lock, Place } from '../store/waiting-store.ts';
import type { Services } from './services.ts';

/** What jobs wait for, read once for a whole page. */
export interface WaitingFacts {
  places: ReadonlyMap<string, Place>;
  locks: readonly Lock[];
  /** Who waits for the surface of somebody else, by id; null for one behind all that a claim looks at. */
  surfaces: ReadonlyMap<string, Obstacle | null>;
  /** The jobs that others come after, by id. */
  dependencies: ReadonlyMap<string, Dependency>;
}

/** One thing a job waits for, and why it does. */
export interface WaitingFor {
  what: string;
  why: string;
}

/** Reads what these jobs may wait for. */
export async function readWaitingFacts({ store }: Services, jobs: readonly Job[]): Promise<WaitingFacts> {
  const waiting = jobs.filter(waitsForSurface);
  const awaited = new Set(jobs.flatMap((job) => (job.state === 'waiting' ? job.awaits : [])));
  const [places, locks, lines, dependencies] = await Promise.all([
    store.listPlaces(),
    store.listLocks(),
    waiting.length === 0 ? [] : store.listSurfaces(),
    awaited.size === 0 ? [] : store.listDependencies([...awaited]),
  ]);
  const choices = lines.flatMap((line) => chooseSurfaces({ ...line, max: Infinity }));
  const known = new Map(choices.map(({ id, obstacle }) => [id, obstacle]));
  const surfaces = waiting.flatMap(({ id }): [string, Obstacle | null][] => {
    const obstacle = known.get(id);
    // Known and free: it waits for no surface.
    return obstacle === null ? [] : [[id, obstacle ?? null]];
  });
  return {
    places: new Map(places.map((place) => [place.repository, place])),
    locks,
    surfaces: new Map(surfaces),
    dependencies: new Map(dependencies.map((one) => [one.id, one])),
  };
}

/** Whether a job must take its surface before it goes on. */
function waitsForSurface(job: Job): boolean {
  return job.state === 'queued' && job.surface !== null && job.startedAt === null && !job.frozen;
}

/** Returns the phase of a job and everything it waits for; [] when it waits for nothing, or only for those before it. */
export function explainWaiting(
  job: Job,
  { places, locks, surfaces, dependencies }: WaitingFacts,
): { phase: Phase | null; waitingFor: WaitingFor[] } {
  const phase = phaseOf(
    job,
    locks.some((lock) => lock.jobId === job.id),
  );
  const frozen = { what: 'unfreeze', why: 'it is frozen: nothing of it starts before it is unfrozen' };
  if (job.state === 'waiting') {
    const others = job.awaits.flatMap((id) => whyAwaited(dependencies.get(id)));
    return { phase, waitingFor: [...(job.frozen ? [frozen] : []), ...others] };
  }
  if (job.state === 'queued') {
    const others = repositoriesOf(job).flatMap((name) => whyQueued(job, places.get(name)));
    const surface = surfaces.has(job.id) ? [whySurface(surfaces.get(job.id) ?? null)] : [];
    return { phase, waitingFor: [...(job.frozen ? [frozen] : []), ...surface, ...others] };
  }
  if (phase !== 'waiting') return { phase, waitingFor: [] };
  const keys = new Set(repositoriesOf(job).map((name) => lockKey('repo', name)));
  const held = locks.filter((lock) => keys.has(lock.key) && lock.jobId !== job.id);
  return { phase, waitingFor: held.map((lock) => ({ what: `lock:${lock.key}`, why: `held for ${lock.operation}` })) };
}

/** One that ended between two looks is waited for no more. */
function whyAwaited(dependency: Dependency | undefined): WaitingFor[] {
  if (dependency === undefined || judgeDependency(dependency) !== 'pending') return [];
  return [{ what: `job:${dependency.number ?? dependency.id}`, why: describeDependency(dependency) }];
}

function whySurface(obstacle: Obstacle | null): WaitingFor {
  if (obstacle !== null) return { what: `job:${obstacle.job.number}`, why: describeObstacle(obstacle) };
  return { what: 'surface', why: `${SURFACE_WINDOW} jobs before it wait for the paths they may touch` };
}

function whyQueued(job: Job, place: Place | undefined): WaitingFor[] {
  if (place === undefined) return [];
  const { repository, unavailable, trouble, active, concurrency } = place;
  if (unavailable !== null) return [{ what: `repository:${repository}`, why: unavailable }];
  if (trouble !== null && trouble.retryAt !== null && needsSource(job, repository))
    return [{ what: `source:${repository}`, why: `${trouble.why}; asked again at ${toIso(trouble.retryAt)}` }];
  if (active < concurrency) return [];
  return [{ what: `place:${repository}`, why: `${active} of ${concurrency} places are taken` }];
}
