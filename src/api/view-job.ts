import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../kernel/result.ts';
import { isActive, isTerminal } from '../lifecycle/transitions.ts';
import type { Attempt } from '../lifecycle/attempt.ts';
import type { Job } from '../lifecycle/job.ts';
import { phaseOf } from '../lifecycle/phase.ts';
import { describeDisk } from '../queue/disk-level.ts';
import type { JobQuery } from '../store/store.ts';
import type { JobView } from './contract/job.ts';
import type { PageView } from './contract.ts';
import { estimateJob } from './estimate-jobs.ts';
import { packetSchema, renderPacket } from '../pipeline/packet.ts';
import { presentJob, type JobFacts } from './present-job.ts';
import { explainWaiting, readWaitingFacts, type WaitingFacts } from './explain-waiting.ts';
import type { Services } from './services.ts';

/** Prompts of one page together, in characters: a page of long ones ends early instead of filling the memory. */
const PAGE_PROMPT_CHARS = 8 * 2 ** 20;
/** Jobs of a page looked up at the same time. */
const AT_ONCE = 8;

const NOTHING: WaitingFacts = { places: new Map(), locks: [], surfaces: new Map(), dependencies: new Map() };

/**
 * Returns the view of one job. `known` saves asking for what the caller has in its hands; an estimate is for those who
 * ask, because it looks at the whole queue.
 */
export async function viewJob(
  services: Services,
  job: Job,
  known: { prompt?: string; queuePosition?: number; waiting?: WaitingFacts; estimate?: boolean } = {},
): Promise<JobView> {
  const { store, home } = services;
  const attempt = job.attempts === 0 ? null : { jobId: job.id, number: job.attempts };
  const outputFile = attempt === null ? null : services.outputPath(attempt, 'stdout');
  const isWaiting = phaseOf(job, false) === 'waiting' || job.state === 'preparing';
  const [prompt, position, outputBytes, disk, waiting, damage, estimate, newest, evidence] = await Promise.all([
    known.prompt ?? store.getPrompt(job.promptSha256),
    known.queuePosition ?? (job.state === 'queued' ? store.getQueuePosition(job.id) : null),
    outputFile !== null && isActive(job.state) ? sizeOf(outputFile) : null,
    job.state === 'queued' ? services.admission() : null,
    known.waiting ?? (isWaiting ? readWaitingFacts(services, [job]) : NOTHING),
    isTerminal(job.state) ? findDamage(services, job) : null,
    known.estimate === true ? estimateJob(services, job) : null,
    listNewest(services, job),
    findEvidence(services, job),
  ]);
  return presentJob(job, {
    // A prompt that is gone is told as damage; the rest of the job, and the jobs beside it, stay readable.
    ...showWork(job, prompt ?? ''),
    damage: prompt === null ? 'its prompt is missing' : damage,
    queuePosition: position,
    ...explainWaiting(job, waiting),
    estimate,
    workspace: home.workspace(job.id),
    setAside: home.setAside(job.id),
    kept: services.keptUntil(job),
    newest,
    lastDurableArtifact: evidence ?? nameArtifact(services, job) ?? outputFile,
    outputFile,
    sentinelFile: attempt === null ? null : services.sentinelPath(attempt),
    outputBytes,
    waitsFor: disk === null ? null : describeDisk(disk),
  });
}

/** The attempts that tell whether it goes on as it should. */
async function listNewest({ store }: Services, { id, attempts, state }: Job): Promise<Attempt[]> {
  if (attempts === 0 || isTerminal(state)) return [];
  const found = await Promise.all(
    [attempts - 1, attempts].filter((number) => number > 0).map((number) => store.getAttempt(id, number)),
  );
  return found.filter((attempt) => attempt !== null);
}

/** Path of the newest evidence. A job that has not worked, or has no pipeline, has none, and nobody is asked. */
async function findEvidence({ store, home }: Services, job: Job): Promise<string | null> {
  if (job.plan === null || job.attempts === 0) return null;
  const newest = (await store.listEvidence(job.id)).at(-1);
  return newest === undefined ? null : join(home.evidence(job.id), newest.sha256);
}

function nameArtifact({ home }: Services, job: Job): string | null {
  const candidate = job.step?.candidate ?? null;
  if (candidate !== null) return `commit ${candidate}`;
  return job.transcriptSha256 === null ? null : home.transcript(job.id);
}

/** Returns a page of jobs. It may hold fewer than `limit` when their prompts are long; the cursor goes on from there. */
export async function listJobViews(
  services: Services,
  query: JobQuery & { limit: number },
): Promise<PageView<JobView>> {
  const page = await services.store.listJobs(query);
  const waiting = await readWaitingFacts(services, page.items);
  const items: JobView[] = [];
  let chars = 0;
  for (let from = 0; from < page.items.length; from += AT_ONCE) {
    const views = await Promise.all(
      page.items.slice(from, from + AT_ONCE).map((job) => viewJob(services, job, { waiting, estimate: true })),
    );
    for (const view of views) {
      chars += view.prompt.length;
      const isFull = items.length > 0 && chars > PAGE_PROMPT_CHARS;
      if (isFull) return listJobViews(services, { ...query, limit: items.length });
      items.push(view);
    }
  }
  return { items, nextCursor: page.nextCursor };
}

/** The text of a job, and the packet it stands for. */
function showWork(job: Job, text: string): Pick<JobFacts, 'prompt' | 'packet'> {
  if (job.packet !== true) return { prompt: text, packet: null };
  try {
    const packet = packetSchema.parse(JSON.parse(text));
    return { prompt: renderPacket(packet), packet };
  } catch {
    // Damage is found and told by the checks.
    return { prompt: text, packet: null };
  }
}

/** What is damaged of a job that is over, in words; it stays as it ended. */
async function findDamage({ store }: Services, job: Job): Promise<string | null> {
  const [item] = (await store.listQuarantine({ jobId: job.id, limit: 1 })).items;
  return item === undefined ? null : `its ${item.kind} is damaged: ${item.why}`;
}

/** Bytes of a file, 0 when it does not exist yet. */
export async function sizeOf(path: string): Promise<number> {
  try {
    return (await lstat(path)).size;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return 0;
    throw error;
  }
}
