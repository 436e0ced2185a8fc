import type { Attempt } from '../lifecycle/attempt.ts';
import { repositoriesOf, type Job } from '../lifecycle/job.ts';
import { chooseSurfaces } from '../lifecycle/surface.ts';
import { isActive } from '../lifecycle/transitions.ts';
import { createStageRules } from '../pipeline/rules.ts';
import type { SurfaceLine } from '../store/waiting-store.ts';
import { showTime } from './contract/common.ts';
import type { LeaseView } from './contract/queue.ts';
import type { Services } from './services.ts';

/**
 * Returns the long-lived rights by the number of their job: the workspace of every job at work, the branch it is handed
 * off as or merged into, and the paths it may touch, which it keeps between its stages. All of it is derived from the
 * rows of jobs and attempts, which are what decides; a table of their own would be a second truth.
 */
export async function listLeases({ store }: Services): Promise<LeaseView[]> {
  const [active, attempts, lines] = await Promise.all([
    store.listActiveJobs(),
    store.listLiveAttempts(),
    store.listSurfaces(),
  ]);
  const live = new Map(attempts.map((attempt) => [attempt.jobId, attempt]));
  const known = new Map(active.map((job) => [job.id, job]));
  const waiters = findWaiters(lines);
  const holders = await Promise.all(
    lines.flatMap((line) => line.holders.map(({ id }) => Promise.resolve(known.get(id) ?? store.getJob(id)))),
  );
  const workspaces = active.map((job) => lease(job, live, { key: `workspace:${job.id}`, kind: 'workspace' }));
  const branches = await Promise.all(
    active.map(async (job) => {
      const branch = await nameBranch(store, job);
      return branch === null ? [] : [lease(job, live, { key: `branch:${job.repository}:${branch}`, kind: 'branch' })];
    }),
  );
  const surfaces = holders.flatMap((job) => {
    // It may have ended between two looks.
    if (job === null || job.surface === null) return [];
    const what = { key: `surface:${job.id}`, kind: 'surface', paths: job.surface } as const;
    return [{ ...lease(job, live, what), waiting: waiters.get(job.id) ?? [] }];
  });
  return [...workspaces, ...branches.flat(), ...surfaces].toSorted((a, b) => a.number - b.number);
}

/** Who waits for the surface of whom, by the id of the holder. */
function findWaiters(lines: readonly SurfaceLine[]): Map<string, number[]> {
  const waiters = new Map<string, number[]>();
  for (const line of lines) {
    const numbers = new Map(line.waiting.map(({ id, number }) => [id, number]));
    for (const { id, obstacle } of chooseSurfaces({ ...line, max: Infinity })) {
      if (obstacle === null || !obstacle.holds) continue;
      const held = obstacle.job.id;
      waiters.set(held, [...(waiters.get(held) ?? []), numbers.get(id) ?? 0]);
    }
  }
  return waiters;
}

/** The branch only this job may write now: the base while it is merged, else the one it is handed off as. */
async function nameBranch(store: Services['store'], job: Job): Promise<string | null> {
  if (job.plan === null) return null;
  if (job.stage === 'merge') return (await store.getRepository(job.repository))?.base ?? null;
  if (job.plan.merge) return null;
  const rules = createStageRules();
  try {
    const title = rules.titleOf((await store.getPrompt(job.promptSha256)) ?? '', job.packet === true);
    return rules.branchOf({ number: job.number, title });
  } catch {
    // Damage is found and told by the checks.
    return null;
  }
}

function lease(
  job: Job,
  live: ReadonlyMap<string, Attempt>,
  what: Pick<LeaseView, 'key' | 'kind'> & { paths?: string[] },
): LeaseView {
  const attempt = live.get(job.id) ?? null;
  const process = attempt?.keeper ?? attempt?.agent ?? null;
  // What it keeps between its stages it has had since its work began.
  const since = what.kind === 'surface' ? job.startedAt : (attempt?.intendedAt ?? null);
  return {
    ...what,
    paths: what.paths ?? null,
    waiting: [],
    jobId: job.id,
    number: job.number,
    repositories: repositoriesOf(job),
    fence: job.fence,
    boot: attempt?.boot ?? job.claimedBy ?? '',
    attempt: attempt?.id ?? null,
    holder: process === null ? null : { pid: process.pid, start: process.start },
    atWork: isActive(job.state),
    acquiredAt: showTime(since),
    expiresAt: null,
  };
}
