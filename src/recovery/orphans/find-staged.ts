/** What was sent for jobs and is named by no row: half of an upload that a crash cut off. */
import { join } from 'node:path';
import type { Orphan } from '../../lifecycle/orphan.ts';
import type { JobOutline } from '../../store/orphan-store.ts';
import { ageOf, describeOrphan, findTemps, listEntries, lookAt, type Look } from './look.ts';

/** What nobody recorded may be on its way in; after a day it is not (issue of the uploads). */
const STAGING_AGE_MS = 24 * 3_600_000;
const BY_HASH = /^[0-9a-f]{64}$/;

/** Finds, in the staging directory of a job, what no row of it names and is older than a day. */
export async function* findStaged(look: Look, job: JobOutline, path: string): AsyncGenerator<Orphan> {
  const entries = await listEntries(path);
  yield* findTemps(look, { directory: path, entries, jobId: job.id });
  if (entries.length === 0) return;
  const files = await look.ctx.store.listJobFiles(job.id);
  const known = new Set(files.map(({ sha256, name }) => `${sha256}/${name}`));
  for (const entry of entries) {
    if (entry.name.startsWith('.tmp-')) continue;
    const ours = BY_HASH.test(entry.name);
    const why = ours ? `no file of job ${job.number} lies there` : 'it does not have the name of something sent';
    const inside = ours && entry.isDirectory() ? await listEntries(join(path, entry.name)) : [];
    const names = inside.length === 0 ? [entry.name] : inside.map(({ name }) => `${entry.name}/${name}`);
    for (const name of names) {
      const stat = known.has(name) ? null : await lookAt(join(path, name));
      if (stat === null || ageOf(look, stat) < STAGING_AGE_MS) continue;
      yield describeStaged(look, { path: join(path, name), jobId: job.id, ageMs: ageOf(look, stat), ours, why });
    }
  }
}

/** Returns the directory of a removed job that holds nothing but a staging directory, as an orphan; else null. */
export async function findOnlyStaged(look: Look, what: { path: string; jobId: string }): Promise<Orphan | null> {
  const stat = await lookAt(what.path);
  if (stat === null || !stat.isDirectory() || ageOf(look, stat) < STAGING_AGE_MS) return null;
  const entries = await listEntries(what.path);
  if (entries.some((entry) => entry.name !== 'staging' || !entry.isDirectory())) return null;
  const why = 'its job was removed while it was sent';
  return describeStaged(look, { ...what, ageMs: ageOf(look, stat), ours: true, why });
}

function describeStaged(
  look: Look,
  found: Pick<Orphan, 'ours' | 'why'> & { path: string; jobId: string; ageMs: number },
): Orphan {
  return describeOrphan(look, {
    ...found,
    kind: 'staging',
    action: 'remove',
    note: 'sent for a job and never recorded',
  });
}
