import { repositoriesOf, type Job } from '../lifecycle/job.ts';
import { isActive, isTerminal } from '../lifecycle/transitions.ts';
import { estimateStarts, ifEnough, MAX_FORESEEN, remainingOf } from '../statistics/estimate.ts';
import type { EstimateView } from './contract/statistics.ts';
import { explainWaiting, readWaitingFacts } from './explain-waiting.ts';
import type { Services } from './services.ts';

/** How long one look into the future is good for, milliseconds: many may ask for it at once. */
const GOOD_FOR_MS = 1000;

/** In how many milliseconds each of the first waiting jobs begins, told at `at`. */
interface Foresight {
  at: number;
  starts: Promise<ReadonlyMap<string, number | null>>;
}

const known = new WeakMap<Services, Foresight>();

/** Returns what can be told of a job that has not ended; null when nothing can. Reads the queue at most once a second. */
export async function estimateJob(services: Services, job: Job): Promise<EstimateView | null> {
  if (isTerminal(job.state)) return null;
  const counted = services.statistics.durationsOf(job.repository, job.agent);
  const usual = ifEnough(counted);
  const estimate: EstimateView = {
    startInMs: job.state === 'queued' ? ((await foresee(services)).get(job.id) ?? null) : null,
    remainingMs: isActive(job.state) ? remainingMs(services, job) : null,
    durationP50Ms: usual?.p50Ms ?? null,
    durationP90Ms: usual?.p90Ms ?? null,
    samples: counted?.samples ?? 0,
  };
  return estimate.startInMs === null && usual === null ? null : estimate;
}

function remainingMs(services: Services, job: Job): number | null {
  const elapsed = job.startedAt === null ? 0 : services.clock.now() - job.startedAt;
  return remainingOf(services.statistics.durationsOf(job.repository, job.agent), elapsed);
}

function foresee(services: Services): Foresight['starts'] {
  const now = services.clock.monotonic();
  const before = known.get(services);
  if (before !== undefined && now - before.at < GOOD_FOR_MS) return before.starts;
  const starts = playForward(services);
  known.set(services, { at: now, starts });
  // Whoever asks next may have more luck.
  starts.catch(() => known.delete(services));
  return starts;
}

async function playForward(services: Services): Promise<ReadonlyMap<string, number | null>> {
  const { store } = services;
  const disk = await services.admission();
  if (disk !== null && disk.level !== 'ok') return new Map();
  const [queue, active] = await Promise.all([store.listQueue(MAX_FORESEEN), store.listActiveJobs()]);
  const facts = await readWaitingFacts(services, queue);
  return estimateStarts({
    hostLimit: services.hostLimit,
    concurrency: new Map([...facts.places.values()].map(({ repository, concurrency }) => [repository, concurrency])),
    active: active.map((job) => ({ repositories: repositoriesOf(job), remainingMs: remainingMs(services, job) })),
    waiting: queue.map((job) => ({
      id: job.id,
      repositories: repositoriesOf(job),
      durationMs: ifEnough(services.statistics.durationsOf(job.repository, job.agent))?.p50Ms ?? null,
      // A place that is taken is waited for; everything else would have to change first.
      held: job.frozen || explainWaiting(job, facts).waitingFor.some(({ what }) => !what.startsWith('place:')),
    })),
  });
}
