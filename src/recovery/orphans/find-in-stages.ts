/**
 * What the stages of a job left in its directory: evidence without a row, rows whose file is gone, and the homes and
 * copies of attempts that are over. While a job can go on nothing of it is an orphan: its next step may take it up.
 */
import type { Dirent } from 'node:fs';
import { join } from 'node:path';
import { isShortage, messageOf } from '../../kernel/result.ts';
import type { Orphan } from '../../lifecycle/orphan.ts';
import { isActive, isTerminal } from '../../lifecycle/transitions.ts';
import type { JobOutline } from '../../store/orphan-store.ts';
import { hashFile } from '../backup/hash-file.ts';
import { ageOf, describeOrphan, findTemps, listEntries, lookAt, YOUNG_MS, type Look } from './look.ts';

const BY_HASH = /^[0-9a-f]{64}$/;
/** A number, or that of a copy that was never finished: `7`, `7.job_x.3`. */
const OF_ATTEMPT = /^([1-9]\d{0,8})(?:\.[\w.-]+)?$/;

/** Everything a job may have in its directory; what else lies there is reported and never touched. */
const KNOWN = new Set([
  'workspace',
  'set-aside',
  'staging',
  'attempts',
  'transcript.md',
  'home',
  'evidence',
  'homes',
  'copies',
]);

/** Finds what Holdfast puts into no directory of a job. */
export async function* findUnknown(look: Look, job: JobOutline, entries: readonly Dirent[]): AsyncGenerator<Orphan> {
  for (const { name } of entries) {
    // Unfinished workspaces and temp files are looked for by their own names.
    if (KNOWN.has(name) || name.startsWith('workspace.') || name.startsWith('.tmp-')) continue;
    const path = join(look.ctx.home.job(job.id), name);
    const stat = await lookAt(path);
    if (stat === null) continue;
    yield describeOrphan(look, {
      kind: 'unknown-entry',
      path,
      jobId: job.id,
      ageMs: ageOf(look, stat),
      ours: false,
      why: `nothing of this name belongs to job ${job.number}`,
      action: 'none',
      note: 'put there by somebody else; it goes when the job is removed',
    });
  }
}

/** Compares the evidence of a job with its rows: by name and length here, by content in the check of history. */
export async function* findEvidence(look: Look, job: JobOutline): AsyncGenerator<Orphan> {
  const directory = look.ctx.home.evidence(job.id);
  const entries = await listEntries(directory);
  if (entries.length === 0 && job.evidence === 0) return;
  yield* findTemps(look, { directory, entries, jobId: job.id });
  const rows = new Map((await look.ctx.store.listEvidence(job.id)).map((row) => [row.sha256, row]));
  for (const { name } of entries) {
    if (name.startsWith('.tmp-') || rows.has(name)) continue;
    const found = await describeUnrecorded(look, job, name);
    if (found !== null) yield found;
  }
  for (const { sha256, bytes, kind, name } of rows.values()) {
    const path = join(directory, sha256);
    const stat = await lookAt(path);
    if (stat?.isFile() === true && stat.size === bytes) continue;
    const how =
      stat === null ? 'is gone' : stat.isFile() ? `holds ${stat.size} bytes instead of ${bytes}` : 'is no file';
    yield describeOrphan(look, {
      kind: 'missing-evidence',
      path,
      jobId: job.id,
      ours: true,
      why: `the ledger of job ${job.number} names it`,
      action: 'none',
      note: `the ${kind} ${JSON.stringify(name)} ${how}; put it back from a backup`,
    });
  }
}

async function describeUnrecorded(look: Look, job: JobOutline, name: string): Promise<Orphan | null> {
  const path = join(look.ctx.home.evidence(job.id), name);
  const stat = await lookAt(path);
  // Evidence lies there before its row does.
  if (stat === null || isActive(job.state) || ageOf(look, stat) < YOUNG_MS) return null;
  const why = !BY_HASH.test(name) ? 'it does not have the name of evidence' : await whyNotItself(path, name);
  return describeOrphan(look, {
    kind: 'evidence',
    path,
    jobId: job.id,
    ageMs: ageOf(look, stat),
    ours: why === null,
    why: why ?? 'it is what its name says, and only Holdfast writes evidence here',
    action: isTerminal(job.state) ? 'remove' : 'none',
    note: isTerminal(job.state)
      ? `kept for a result that was never recorded; no row of job ${job.number} names it`
      : `no row of job ${job.number} names it, but the job can go on and may record it`,
  });
}

async function whyNotItself(path: string, name: string): Promise<string | null> {
  try {
    return (await hashFile(path)).sha256 === name ? null : 'it is not what its name says';
  } catch (error) {
    if (isShortage(error)) throw error;
    return messageOf(error);
  }
}

/** Finds, below `homes` or `copies`, what attempts that are over worked with. */
export async function* findOfAttempts(look: Look, job: JobOutline, part: 'homes' | 'copies'): AsyncGenerator<Orphan> {
  const directory = join(look.ctx.home.job(job.id), part);
  for (const { name } of await listEntries(directory)) {
    const path = join(directory, name);
    const number = Number(OF_ATTEMPT.exec(name)?.[1] ?? 0);
    // A preparation that was cut off made one for the attempt that would have been next.
    const isKnown = number > 0 && number <= job.attempts + 1;
    if (isKnown && !isTerminal(job.state)) continue;
    const stat = await lookAt(path);
    if (stat === null) continue;
    const ours = isKnown && stat.isDirectory();
    yield describeOrphan(look, {
      kind: part === 'homes' ? 'stage-home' : 'stage-copy',
      path,
      jobId: job.id,
      ageMs: ageOf(look, stat),
      ours,
      why: ours
        ? `it has the number of an attempt of job ${job.number}, which has ended`
        : `job ${job.number} has no attempt of this name`,
      action: 'remove',
      note: part === 'homes' ? 'what a stage had for a home' : 'a copy that was only looked at; nothing in it is kept',
    });
  }
}
