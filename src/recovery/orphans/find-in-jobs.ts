import { join } from 'node:path';
import { isAlive, readHostIdentity, type ProcessIdentity } from '../../keeper/host-identity.ts';
import { readRunOwner } from '../../keeper/run-directory.ts';
import { isId } from '../../kernel/ids.ts';
import type { Orphan } from '../../lifecycle/orphan.ts';
import type { JobOutline } from '../../store/orphan-store.ts';
import { findEvidence, findOfAttempts, findUnknown } from './find-in-stages.ts';
import { findOnlyStaged, findStaged } from './find-staged.ts';
import { ageOf, describeOrphan, findTemps, inParts, listEntries, lookAt, type Look } from './look.ts';

/** Rows read at once. */
const PAGE = 500;

/**
 * Compares the directories of jobs with their rows, both in the order of their ids: no row is asked for by itself,
 * however many there are.
 */
export async function* findInJobs(look: Look): AsyncGenerator<Orphan> {
  const { ctx, signal } = look;
  const names = (await listEntries(ctx.home.jobs)).map(({ name }) => name);
  const known = names.filter((name) => isId('job', name));
  yield* findStrangers(look, names);
  const unknown: string[] = [];
  let at = 0;
  for (let after = ''; ;) {
    const page = await ctx.store.listJobOutlines(after, PAGE);
    for (const outline of page) {
      signal.throwIfAborted();
      for (; (known[at] ?? '~') < outline.id; at++) unknown.push(known[at] ?? '');
      yield* findInJob(look, outline, known[at] === outline.id);
      if (known[at] === outline.id) at += 1;
    }
    const last = page.at(-1);
    if (last === undefined) break;
    after = last.id;
  }
  unknown.push(...known.slice(at));
  for (const part of inParts(unknown)) yield* findWithoutRow(look, part);
}

async function* findStrangers(look: Look, names: readonly string[]): AsyncGenerator<Orphan> {
  for (const name of names) {
    if (isId('job', name) || name.startsWith('.tmp-')) continue;
    const path = join(look.ctx.home.jobs, name);
    const why = 'its name is not that of a job';
    const note = 'put there by somebody else';
    yield describeOrphan(look, { kind: 'job-directory', path, ours: false, why, action: 'none', note });
  }
}

async function* findInJob(look: Look, job: JobOutline, exists: boolean): AsyncGenerator<Orphan> {
  const { home } = look.ctx;
  const directory = home.job(job.id);
  const entries = exists ? await listEntries(directory) : [];
  if (job.workspaceState === 'ready' && !entries.some((entry) => entry.name === 'workspace')) {
    yield describeOrphan(look, {
      kind: 'missing-workspace',
      path: home.workspace(job.id),
      jobId: job.id,
      ours: true,
      why: `the row of job ${job.number} says that it is ready`,
      action: 'none',
      note: 'the workspace is gone; what was saved of it is below refs/holdfast in the mirror',
    });
  }
  yield* findTemps(look, { directory, entries, jobId: job.id });
  yield* findUnknown(look, job, entries);
  if (job.evidence > 0 || entries.some((entry) => entry.name === 'evidence')) yield* findEvidence(look, job);
  for (const entry of entries) {
    const path = join(directory, entry.name);
    if (/^workspace\.[\w.-]+$/.test(entry.name) && entry.isDirectory()) yield* findUnfinished(look, job, path);
    if (entry.name === 'homes' || entry.name === 'copies') yield* findOfAttempts(look, job, entry.name);
    if (entry.name === 'staging' && entry.isDirectory()) yield* findStaged(look, job, path);
    if (entry.name === 'attempts' && entry.isDirectory()) yield* findInAttempts(look, job, path);
  }
}

/** A clone under its temporary name: the next preparation removes it, but a job that ended has none. */
async function* findUnfinished(look: Look, job: JobOutline, path: string): AsyncGenerator<Orphan> {
  const stat = await lookAt(path);
  if (stat === null || job.state === 'preparing') return;
  yield describeOrphan(look, {
    kind: 'workspace',
    path,
    jobId: job.id,
    ageMs: ageOf(look, stat),
    ours: true,
    why: `it has the name of an unfinished workspace of job ${job.number}, which prepares none`,
    action: 'remove',
    note: 'a workspace that was never finished; no agent ran in it',
  });
}

async function* findInAttempts(look: Look, job: JobOutline, directory: string): AsyncGenerator<Orphan> {
  const { ctx } = look;
  for (const entry of await listEntries(directory)) {
    const path = join(directory, entry.name);
    const number = /^[1-9]\d{0,8}$/.test(entry.name) ? Number(entry.name) : null;
    if (number !== null && number <= job.attempts) {
      yield* findTemps(look, { directory: path, entries: await listEntries(path), jobId: job.id });
      continue;
    }
    const owner = entry.isDirectory() ? await readRunOwner(path) : null;
    const alive = owner === null ? [] : listAlive(look, owner);
    const ours = owner !== null && owner.host === ctx.host;
    yield describeOrphan(look, {
      kind: 'run-directory',
      path,
      jobId: job.id,
      ours,
      why: ours ? 'its records carry the id of this home' : 'it has no sound record of this home',
      action: alive.length > 0 ? 'none' : 'remove',
      note:
        alive.length > 0
          ? `job ${job.number} has no such attempt, but process ${alive.join(', ')} of it lives`
          : `job ${job.number} has no such attempt`,
    });
    if (owner !== null && isKeeperAlive(owner)) yield describeKeeper(look, { path, owner, jobId: job.id });
  }
}

type RunOwner = NonNullable<Awaited<ReturnType<typeof readRunOwner>>>;

function isKeeperAlive({ keeper }: RunOwner): boolean {
  if (keeper === null) return false;
  const here = readHostIdentity();
  return keeper.boot === here.boot && keeper.pidns === here.pidns && isAlive(keeper);
}

/** Pids of what lives of the attempt these records are of. */
function listAlive({ processes }: Look, owner: RunOwner): number[] {
  const found: ProcessIdentity[] = (processes.attempts.get(owner.attempt) ?? []).filter((one) => isAlive(one));
  const keeper = owner.keeper !== null && isKeeperAlive(owner) ? [owner.keeper.pid] : [];
  return [...keeper, ...found.map(({ pid }) => pid)];
}

/** A keeper whose row is gone is listed; it is ended only by name, and never taken up. */
function describeKeeper(look: Look, what: { path: string; owner: RunOwner; jobId: string | null }): Orphan {
  const { owner, path, jobId } = what;
  return describeOrphan(look, {
    kind: 'process',
    path,
    identity: `keeper ${owner.attempt}`,
    jobId,
    ours: owner.host === look.ctx.host,
    why: 'it holds the claim of a run directory of this home',
    action: 'end-processes',
    note: `process ${owner.keeper?.pid ?? 0} is the keeper of an attempt nobody knows`,
  });
}

async function* findWithoutRow(look: Look, names: readonly string[]): AsyncGenerator<Orphan> {
  const { store, home, host } = look.ctx;
  const rows = new Set(await store.findJobIds(names));
  const removed = new Set(await store.findTombstones(names));
  for (const name of names) {
    look.signal.throwIfAborted();
    if (rows.has(name) || look.due.has(name)) continue;
    const path = home.job(name);
    const stat = await lookAt(path);
    if (stat === null) continue;
    const runs = stat.isDirectory() ? await listRuns(path) : [];
    const own = runs.filter(({ owner }) => owner.host === host);
    const why = whyOurs({
      isDirectory: stat.isDirectory(),
      uid: stat.uid,
      removed: removed.has(name),
      own: own.length,
    });
    const alive = runs.flatMap(({ owner }) => listAlive(look, owner));
    const leftovers = removed.has(name) ? await findOnlyStaged(look, { path, jobId: name }) : null;
    if (leftovers !== null) {
      yield leftovers;
      continue;
    }
    const hasWork = (await lookAt(join(path, 'workspace'))) !== null;
    yield describeOrphan(look, {
      kind: 'job-directory',
      path,
      jobId: name,
      ageMs: ageOf(look, stat),
      ours: why.ours,
      why: why.text,
      action: alive.length > 0 ? 'none' : hasWork ? 'save-and-remove' : 'remove',
      note: alive.length > 0 ? `no job has this id, but process ${alive.join(', ')} of it lives` : 'no job has this id',
    });
    for (const { owner, path: run } of own) {
      if (isKeeperAlive(owner)) yield describeKeeper(look, { path: run, owner, jobId: name });
    }
  }
}

function whyOurs(what: { isDirectory: boolean; uid: number; removed: boolean; own: number }): {
  ours: boolean;
  text: string;
} {
  const uid = process.getuid?.() ?? what.uid;
  if (!what.isDirectory) return { ours: false, text: 'it is not a directory' };
  if (what.uid !== uid) return { ours: false, text: `it belongs to uid ${what.uid}` };
  if (what.removed) return { ours: true, text: 'the job of this id was removed' };
  if (what.own > 0) return { ours: true, text: 'records of its attempts carry the id of this home' };
  return { ours: false, text: 'nothing in it carries the id of this home' };
}

async function listRuns(jobDirectory: string): Promise<{ path: string; owner: RunOwner }[]> {
  const directory = join(jobDirectory, 'attempts');
  const runs: { path: string; owner: RunOwner }[] = [];
  for (const entry of await listEntries(directory)) {
    const path = join(directory, entry.name);
    const owner = entry.isDirectory() ? await readRunOwner(path) : null;
    if (owner !== null) runs.push({ path, owner });
  }
  return runs;
}
