/** What a backup takes of a home, beside the database: whatever the rows of its copy refer to. */
import { mkdir } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import type { AttemptContext } from '../../attempts/context.ts';
import { RUN_FILES } from '../../keeper/protocol.ts';
import type { JobFile } from '../../lifecycle/job-file.ts';
import type { CopiedJob, OpenCopy } from '../../store/sqlite/read-copy.ts';
import { bundleMirror } from '../../workspace/bundle.ts';
import type { Collector, Copied } from './collector.ts';
import { hashFile } from './hash-file.ts';
import { bundlePath, type Manifest } from './manifest.ts';
import { saveTrees } from './save-trees.ts';

/** What a backup works with. */
export type BackupContext = Pick<AttemptContext, 'store' | 'home' | 'clock' | 'log' | 'jobFiles'>;

/** How far a backup is. */
export interface BackupProgress {
  phase: 'database' | 'jobs' | 'mirrors' | 'check';
  /** Jobs looked at, of how many. */
  jobs: number;
  jobsTotal: number;
  files: number;
  bytes: number;
}

export interface Collecting {
  ctx: BackupContext;
  copy: OpenCopy;
  collector: Collector;
  /** Directory that is being filled. */
  directory: string;
  op: string;
  signal: AbortSignal;
  progress: (change: Partial<BackupProgress>) => void;
  missing: string[];
}

/** Files of a run directory that are saved. The secrets are gone once the agent runs; sockets and reserves are of a keeper. */
const KEPT = ['spec', 'claim', 'agent', 'exit', 'limits', 'sentinel', 'output', 'stderr', 'log'] as const;
/** Of an attempt that lives: what it was asked to do, and what it has printed so far. Its end is not of this backup. */
const KEPT_OF_LIVE: readonly string[] = ['spec', 'claim', 'agent', 'output', 'stderr'];

/** A file the copy refers to is gone because its job was removed since: the copy is too old. */
class Outdated extends Error {
  override readonly name = 'Outdated';
}

/** Whether an error says that a newer copy of the database is needed. */
export function isOutdated(error: unknown): boolean {
  return error instanceof Outdated;
}

/**
 * Copies everything the rows refer to. Files are durable before a row names them, so all of them are there, unless their
 * job was removed since, which throws (`isOutdated`). Returns the mirrors, and which files hold secrets.
 */
export async function collect(what: Collecting): Promise<Pick<Manifest, 'repositories' | 'secrets'>> {
  const { ctx, copy, collector, progress } = what;
  const known = new Set<string>();
  let jobs = 0;
  progress({ phase: 'jobs', jobs, jobsTotal: copy.countJobs() });
  for (const job of copy.jobs()) {
    known.add(job.id);
    await collectJob(what, job);
    progress({ jobs: ++jobs, files: collector.count(), bytes: collector.bytes });
  }
  progress({ phase: 'mirrors' });
  const repositories = await collectMirrors(what, known);
  const { callbackSecretFile, configFile, root } = ctx.home;
  const secrets: string[] = [];
  for (const from of [callbackSecretFile, configFile]) {
    const to = relative(root, from);
    if ((await take(what, { from, to, settled: false })) === 'copied') secrets.push(to);
  }
  return { repositories, secrets };
}

async function take(what: Collecting, file: { from: string; to: string; settled: boolean }): Promise<Copied> {
  const copied = await what.collector.copy(file);
  if (typeof copied === 'object') what.missing.push(`${file.to}: ${copied.refused}`);
  return copied;
}

async function collectJob(what: Collecting, job: CopiedJob): Promise<void> {
  const { ctx } = what;
  const { home } = ctx;
  const pathOf = (path: string): string => relative(home.root, path);
  what.missing.push(...(await saveTrees(ctx, job, what.op)));
  for (const { sha256, name } of job.files) {
    const from = join(home.staging(job.id), sha256, name);
    await need(what, job, { from, to: pathOf(from), settled: true });
  }
  for (const sha256 of job.evidence) {
    const from = join(home.evidence(job.id), sha256);
    await need(what, job, { from, to: pathOf(from), settled: true });
  }
  for (const attempt of job.attempts) {
    const runDir = home.runDirectory(job.id, attempt.number);
    for (const kind of KEPT) {
      if (attempt.isLive && !KEPT_OF_LIVE.includes(kind)) continue;
      const from = join(runDir, RUN_FILES[kind]);
      const file = { from, to: pathOf(from), settled: !attempt.isLive };
      if (kind === 'output' && attempt.outputBytes > 0) await need(what, job, file);
      else await take(what, file);
    }
  }
  await collectTranscript(what, job);
}

/** What is not there though a row says so: its job was removed meanwhile, or the home is damaged, which is said. */
async function need(
  what: Collecting,
  job: CopiedJob,
  file: { from: string; to: string; settled: boolean },
): Promise<void> {
  if ((await take(what, file)) !== 'absent') return;
  if ((await what.ctx.store.getJob(job.id)) === null) throw new Outdated(file.to);
  // A file of a held job may have been taken back or replaced.
  const files = await what.ctx.store.listJobFiles(job.id);
  const isThere = (old: JobFile): boolean => files.some(({ id, sha256 }) => id === old.id && sha256 === old.sha256);
  if (!job.files.every(isThere)) throw new Outdated(file.to);
  what.missing.push(`${file.to}: it is not in the home either`);
}

/** The transcript of a job at work is made anew all the time; only the one that was recorded belongs to the copy. */
async function collectTranscript(what: Collecting, job: CopiedJob): Promise<void> {
  if (job.transcriptSha256 === null) return;
  const from = what.ctx.home.transcript(job.id);
  const isRecorded = async (): Promise<boolean> =>
    (await hashFile(from).catch(() => null))?.sha256 === job.transcriptSha256;
  if (!job.isEnded && !(await isRecorded())) return;
  await take(what, { from, to: relative(what.ctx.home.root, from), settled: false });
}

async function collectMirrors(what: Collecting, jobs: ReadonlySet<string>): Promise<Manifest['repositories']> {
  const { ctx, copy, collector, directory, op, signal } = what;
  const found: Manifest['repositories'] = [];
  // What a younger job saved is not of this copy.
  const wants = (ref: string): boolean => {
    const owner = /^refs\/holdfast\/([^/]+)\//.exec(ref)?.[1];
    return owner === undefined ? /^refs\/(heads|tags)\//.test(ref) : jobs.has(owner);
  };
  for (const { id, name } of copy.repositories()) {
    const path = bundlePath(id);
    const file = join(directory, path);
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    const mirror = await bundleMirror({ mirrorDir: ctx.home.mirror(id), file, wants, op, signal });
    if (mirror !== null) {
      collector.note({ path, ...(await hashFile(file)) });
    }
    found.push({ id, name, mirror });
  }
  return found;
}
