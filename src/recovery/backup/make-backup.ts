/** Makes one backup of a home that is at work: a consistent copy of the database first, then what its rows refer to. */
import { mkdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { renameDurable } from '../../kernel/durable.ts';
import { fail, isError } from '../../kernel/errors.ts';
import { failpoint } from '../../kernel/failpoints.ts';
import { errnoOf, isDiskFull, messageOf } from '../../kernel/result.ts';
import { unfinishedPath, type Backup } from '../../lifecycle/backup.ts';
import { checkCopyInThread } from '../../store/sqlite/copy-database.ts';
import { openCopy } from '../../store/sqlite/read-copy.ts';
import { syncFileSystem } from '../../workspace/file-system.ts';
import { exists, removeTree } from '../../workspace/remove-tree.ts';
import { collect, isOutdated, type BackupContext, type BackupProgress } from './collect.ts';
import { Collector } from './collector.ts';
import { hashFile } from './hash-file.ts';
import { DATABASE, describeDamage, writeManifest, type Manifest } from './manifest.ts';
import { verifyBackup } from './verify-backup.ts';

/** How often the database is copied anew because a job was removed between its copy and that of its files. */
const ROUNDS = 5;

export interface Making {
  backup: Backup;
  /** Version of this program. */
  version: string;
  signal: AbortSignal;
  progress: (change: Partial<BackupProgress>) => void;
}

export type MadeBackup = Pick<Manifest, 'missing' | 'damaged'> &
  Pick<Backup, 'files' | 'bytes' | 'lastSeq' | 'manifestSha256'>;

/**
 * Makes the recorded backup and gives it its name; nothing is left of one that fails. Throws `already-exists`,
 * `storage-full`, `store-corrupt`, `backup-damaged` when it cannot be read back.
 */
export async function makeBackup(ctx: BackupContext, making: Making): Promise<MadeBackup> {
  const { backup } = making;
  const directory = unfinishedPath(backup);
  try {
    await removeTree(directory);
    await mkdir(directory, { recursive: false, mode: 0o700 });
    const made = await fill(ctx, making, directory);
    if (await exists(backup.path)) throw fail('already-exists', `${backup.path} is there already`);
    failpoint('backup.before-rename');
    await renameDurable(directory, backup.path);
    failpoint('backup.after-rename');
    return made;
  } catch (error) {
    await removeTree(directory).catch((left: unknown) => ctx.log.warn(`${directory} is left: ${messageOf(left)}`));
    throw explain(error, directory);
  }
}

function explain(error: unknown, directory: string): unknown {
  if (isError(error)) return error;
  const detail = `${dirname(directory)}: ${messageOf(error)}`;
  if (isDiskFull(error))
    return fail('storage-full', detail, { hint: 'Free space there, or name another directory.', cause: error });
  if (['EACCES', 'EPERM', 'ENOENT', 'ENOTDIR', 'EROFS'].includes(errnoOf(error) ?? ''))
    return fail('bad-request', `no backup can be made there: ${messageOf(error)}`, { cause: error });
  return errnoOf(error) === null ? error : fail('storage-failed', detail, { cause: error });
}

async function fill(ctx: BackupContext, making: Making, directory: string): Promise<MadeBackup> {
  const { backup, version, signal, progress } = making;
  const collector = new Collector(directory, signal);
  const gathered = await gather(ctx, making, { directory, collector });
  failpoint('backup.after-files');
  progress({ phase: 'check' });
  const path = join(directory, DATABASE);
  const check = await checkCopyInThread(path, signal);
  const broken = check.corrupt.find(({ kind }) => kind === 'database');
  if (broken !== undefined) throw fail('store-corrupt', `the database cannot be copied whole: ${broken.why}`);
  const damaged = describeDamage(check, path);
  const { files, missing, ...rest } = gathered;
  const manifestSha256 = await writeManifest(directory, {
    id: backup.id,
    holdfast: version,
    home: ctx.home.root,
    ...rest,
    missing,
    damaged,
    files,
  });
  await syncFileSystem(directory, backup.id);
  // Everything is read back from where it lies, and every bundle made into a mirror once; the replay was just done.
  await verifyBackup(directory, { signal, scratch: directory, replay: false });
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  return { missing, damaged, files: files.length, bytes, lastSeq: rest.database.lastSeq, manifestSha256 };
}

type Gathered = Pick<Manifest, 'madeAt' | 'database' | 'jobs' | 'repositories' | 'secrets' | 'missing' | 'files'>;

async function gather(
  ctx: BackupContext,
  making: Making,
  where: { directory: string; collector: Collector },
): Promise<Gathered> {
  for (let round = 1; ; round++) {
    try {
      return await gatherOnce(ctx, making, where);
    } catch (error) {
      if (!isOutdated(error)) throw error;
      if (round === ROUNDS)
        throw fail('state-conflict', `jobs were removed ${ROUNDS} times while it was made, last ${messageOf(error)}`, {
          hint: 'Try again when fewer jobs are being removed.',
        });
      ctx.log.info(`backup ${making.backup.id} begins again: ${messageOf(error)} was removed meanwhile`);
    }
  }
}

async function gatherOnce(
  ctx: BackupContext,
  { backup, signal, progress }: Making,
  { directory, collector }: { directory: string; collector: Collector },
): Promise<Gathered> {
  progress({ phase: 'database' });
  collector.begin();
  // Counted from the journal: what it counted up to must lie in the copy that is taken after it.
  const { statisticsFile } = ctx.home;
  await collector.copy({ from: statisticsFile, to: basename(statisticsFile), settled: false });
  const path = join(directory, DATABASE);
  await removeTree(path);
  const madeAt = ctx.clock.now();
  const database = await ctx.store.copyDatabase(path, signal);
  failpoint('backup.after-database');
  collector.note({ path: DATABASE, ...(await hashFile(path)) });
  const copy = openCopy(path);
  const missing: string[] = [];
  try {
    const what = { ctx, copy, collector, directory, op: backup.id, signal, progress, missing };
    const { repositories, secrets } = await collect(what);
    const files = await collector.end();
    secrets.unshift(`${DATABASE} (prompts, events, hashes of tokens and passwords)`);
    return { madeAt, database, jobs: copy.countJobs(), repositories, secrets, missing, files };
  } finally {
    copy.close();
  }
}
