/**
 * Makes the copied database that of a home of its own, before anybody can serve it. What was alive or waiting belongs to
 * the home the backup was made of: it may still run there, or have run since. Nothing of it is adopted, ended, cleaned up
 * or started a second time here; each such job waits for a person.
 */
import { hashRecordedOutput } from '../../keeper/verify-run.ts';
import { RUN_FILES } from '../../keeper/protocol.ts';
import { toIso } from '../../kernel/clock.ts';
import type { Attempt } from '../../lifecycle/attempt.ts';
import type { Home } from '../../lifecycle/home.ts';
import { repositoriesOf, type Job } from '../../lifecycle/job.ts';
import { isActive, isTerminal } from '../../lifecycle/transitions.ts';
import type { JobPatch, Store } from '../../store/store.ts';
import type { CopiedJob } from '../../store/sqlite/read-copy.ts';
import { bundlePath, type Manifest } from './manifest.ts';

const ACTOR = 'restore';
/** Asked of the store at once, so that they share a commit. */
const AT_ONCE = 64;

/** What was done to the rows of a restored home. */
export interface Settled {
  /** Jobs that were at work. */
  interrupted: number;
  /** Jobs that waited, in the queue or for others: blocked, or kept as they are. */
  queued: number;
  /** External resources that are left to the home they were registered in. */
  resources: number;
  /** Callbacks that were not sent: kept back, or due as before. */
  callbacks: number;
}

export interface Settling {
  store: Store;
  home: Home;
  manifest: Manifest;
  /** Where the backup lies. */
  from: string;
  /** Jobs that waited go on waiting: the operator says that they run nowhere else. */
  keepQueue: boolean;
  /** Callbacks that were not sent are sent: the operator says that the other home sends nothing any more. */
  keepCallbacks: boolean;
}

/** Settles all rows; `jobs` are those of the copy. The record of the restore comes last. */
export async function settleRestored(settling: Settling, jobs: Iterable<CopiedJob>): Promise<Settled> {
  const { store, manifest, from } = settling;
  for (const { key, fence } of await store.listLocks()) await store.releaseLock(key, fence, ACTOR);
  const resources = await leaveResources(store);
  const settled: Settled = { interrupted: 0, queued: 0, resources, callbacks: 0 };
  const files = new Set(manifest.files.map(({ path }) => path));
  let work: Promise<void>[] = [];
  for (const job of jobs) {
    work.push(settleJob({ ...settling, files }, job, settled));
    if (work.length < AT_ONCE) continue;
    await Promise.all(work);
    work = [];
  }
  await Promise.all(work);
  // After the jobs: that they are blocked here is nobody's business either.
  settled.callbacks = await settleCallbacks(settling);
  const callbacks = `callbacks not sent: ${settled.callbacks}${settling.keepCallbacks ? '' : ', kept back'}`;
  const note = `restored from ${from}; jobs at work when it was made: ${settled.interrupted}, waiting: ${settled.queued}; ${callbacks}`;
  await store.moveBackup({ id: manifest.id, transition: 'restore', actor: ACTOR, set: { note } });
  return settled;
}

async function settleJob(
  settling: Settling & { files: ReadonlySet<string> },
  copied: CopiedJob,
  settled: Settled,
): Promise<void> {
  const { store, manifest, files } = settling;
  const job = await store.getJob(copied.id);
  if (job === null) return;
  const set = forget(settling, job, files);
  if (isActive(job.state)) {
    settled.interrupted++;
    await stopJob(settling, job, set);
  } else if (job.state === 'queued' || job.state === 'waiting') {
    settled.queued++;
    if (settling.keepQueue) await change(store, job, set);
    else
      await store.moveJob({
        id: job.id,
        transition: 'block',
        fence: null,
        set: { ...set, ...why(manifest, job) },
        actor: ACTOR,
      });
  } else await change(store, job, set);
}

/** What is not in a backup: workspaces, sessions of agents, and transcripts that were not recorded yet. */
function forget({ home, manifest }: Settling, job: Job, files: ReadonlySet<string>): JobPatch {
  const transcript = home.transcript(job.id).slice(home.root.length + 1);
  // A retry puts the saved trees back, as for a workspace that went by age.
  const hadTree =
    job.workspaceState === 'ready' && repositoriesOf(job).every((name) => hasTree(manifest, name, job.id));
  return {
    workspaceState: 'none',
    ...(hadTree ? { workspaceRemovedAt: manifest.madeAt } : {}),
    ...(isTerminal(job.state) ? {} : { sessionId: null }),
    ...(files.has(transcript) ? {} : { transcriptSha256: null }),
  };
}

function hasTree(manifest: Manifest, repository: string, jobId: string): boolean {
  const refs = manifest.repositories.find(({ name }) => name === repository)?.mirror?.refs ?? [];
  return refs.some((line) => line.includes(` refs/holdfast/${jobId}/`));
}

async function change(store: Store, job: Job, set: JobPatch): Promise<void> {
  const isNews = Object.entries(set).some(([field, value]) => job[field as keyof Job] !== value);
  if (isNews) await store.noteJob({ id: job.id, fence: null, set, actor: ACTOR });
}

/** The sentence says what a person has to find out before the job may run here. */
function why(manifest: Manifest, job: Job): JobPatch & { reason: 'restored'; blocker: string } {
  const [was, risk] = isActive(job.state)
    ? ['was at work', 'it may still run there, or have ended since']
    : [job.state === 'waiting' ? 'waited for others' : 'waited in the queue', 'it may have run there since'];
  const blocker = `it ${was} when the backup was made of ${manifest.home} at ${toIso(manifest.madeAt)}: ${risk}. Retry it only if it did not`;
  return { reason: 'restored', blocker };
}

/** Its attempt is over as far as this home goes: no keeper of it is ours, whatever lives of it. */
async function stopJob({ store, home, manifest }: Settling, job: Job, set: JobPatch): Promise<void> {
  const live = (await store.listAttempts(job.id)).filter(({ endedAt }) => endedAt === null);
  const move = {
    id: job.id,
    transition: 'block',
    fence: job.fence,
    set: { ...set, ...why(manifest, job) },
    actor: ACTOR,
  } as const;
  const [attempt] = live;
  if (attempt === undefined) {
    await store.moveJob(move);
    return;
  }
  const printed = await readPrinted(home, attempt, manifest);
  const outputBytes = printed.outputBytes;
  await store.settleAttempt(
    {
      id: attempt.id,
      transition: 'interrupt',
      fence: attempt.fence,
      set: {
        ...printed,
        verdict: 'FOREIGN',
        note: `it was alive when the backup was made; its keeper is of another home`,
      },
      actor: ACTOR,
    },
    { ...move, set: { ...move.set, outputBytes } },
  );
}

/** What the backup holds of its output, vouched for from here on. */
async function readPrinted(
  home: Home,
  attempt: Attempt,
  manifest: Manifest,
): Promise<{ outputBytes: number; outputSha256: string | null; stderrSha256: string | null }> {
  const runDir = home.runDirectory(attempt.jobId, attempt.number);
  const sizeOf = (name: string): number =>
    manifest.files.find(({ path }) => path === `${runDir.slice(home.root.length + 1)}/${name}`)?.bytes ?? 0;
  const bytes = { output: sizeOf(RUN_FILES.output), stderr: sizeOf(RUN_FILES.stderr) };
  return { outputBytes: bytes.output, ...(await hashRecordedOutput(runDir, bytes)) };
}

/** A receiver knows one home: what it is told of these jobs, that one tells. Each can be redelivered by its id. */
async function settleCallbacks({ store, keepCallbacks }: Settling): Promise<number> {
  if (keepCallbacks) {
    const { pending, sending, retrying } = (await store.deliveryStats()).byState;
    return pending + sending + retrying;
  }
  const reason = 'it was not sent when the backup was made: the home that was backed up may have sent it since';
  let kept = 0;
  for (;;) {
    const more = await store.keepBackDeliveries({ why: reason, limit: AT_ONCE, actor: ACTOR });
    kept += more;
    if (more < AT_ONCE) return kept;
  }
}

/** They exist once, and the home they were registered in cleans them up. */
async function leaveResources(store: Store): Promise<number> {
  let left = 0;
  for (;;) {
    const { items } = await store.listResources({ limit: 200 });
    if (items.length === 0) return left;
    for (const { id, state } of items) {
      const move = { id, note: 'left to the home this one was restored from', actor: ACTOR };
      if (state === 'removing') await store.moveResource({ ...move, transition: 'fail' });
      await store.moveResource({ ...move, transition: 'forget' });
      left++;
    }
  }
}

/** Where each mirror of a backup belongs. */
export function listMirrors(
  manifest: Manifest,
  home: Home,
): { file: string; mirrorDir: string; mirror: NonNullable<Manifest['repositories'][number]['mirror']> }[] {
  return manifest.repositories.flatMap(({ id, mirror }) =>
    mirror === null ? [] : [{ file: bundlePath(id), mirrorDir: home.mirror(id), mirror }],
  );
}
