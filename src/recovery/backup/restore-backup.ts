/**
 * Makes a home from a backup. It is made beside the place it will have and renamed last, so a crash leaves nothing there or
 * a whole home; what a restore that died has left beside it is removed by the next one.
 */
import { createReadStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { renameDurable, syncDirectory, writeStream } from '../../kernel/durable.ts';
import { fail, isError } from '../../kernel/errors.ts';
import { failpoint } from '../../kernel/failpoints.ts';
import { errnoOf, isDiskFull, messageOf } from '../../kernel/result.ts';
import { homeLayout, type Home } from '../../lifecycle/home.ts';
import { checkCopyInThread, writeWitness } from '../../store/sqlite/copy-database.ts';
import { takeHomeLock, type HomeLock } from '../../store/sqlite/home-lock.ts';
import { openCopy } from '../../store/sqlite/read-copy.ts';
import { openSqliteStore } from '../../store/sqlite/sqlite-store.ts';
import { unbundleMirror } from '../../workspace/bundle.ts';
import { syncFileSystem } from '../../workspace/file-system.ts';
import { exists, listNames, removeTree } from '../../workspace/remove-tree.ts';
import { describeDamage, type Manifest } from './manifest.ts';
import { listMirrors, settleRestored, type Settled } from './settle-restored.ts';
import { verifyBackup } from './verify-backup.ts';

export interface Restoring {
  /** Directory of the backup. */
  from: string;
  /** The home that is to be: empty, or not there. */
  home: Home;
  keepQueue: boolean;
  keepCallbacks: boolean;
  signal: AbortSignal;
  /** Gives the new home an id of its own. */
  writeHost: (path: string) => Promise<string>;
  progress?: (phase: 'check' | 'files' | 'mirrors' | 'database', done: number, total: number) => void;
}

export interface Restored extends Settled {
  manifest: Manifest;
  /** Id of the new home. */
  host: string;
}

/** Name of a home that is being made. */
function restoringPath(home: Home): string {
  return join(dirname(home.root), `.${basename(home.root)}.restoring`);
}

/**
 * Restores a backup into a home nobody has. The caller has made sure that no server holds it. Throws `home-not-empty`,
 * `home-held` while another restore makes it, `backup-damaged`, `backup-too-new`, `storage-full`.
 */
export async function restoreBackup(restoring: Restoring): Promise<Restored> {
  const { from, home, signal, progress } = restoring;
  await refuseUsed(home);
  // Before anything is written.
  const told = (done: number, total: number): void => progress?.('check', done, total);
  const { manifest } = await verifyBackup(from, { signal, scratch: null, replay: true, progress: told });
  try {
    return await restoreVerified(restoring, manifest);
  } catch (error) {
    throw explain(error, dirname(home.root));
  }
}

function explain(error: unknown, parent: string): unknown {
  if (isError(error)) return error;
  const hint = 'Nothing was restored; free space there, or name another home.';
  if (isDiskFull(error)) return fail('storage-full', `${parent}: ${messageOf(error)}`, { hint, cause: error });
  if (errnoOf(error) === null) return error;
  return fail('home-unusable', `${parent}: ${messageOf(error)}`, { cause: error });
}

/** Throws `home-not-empty` unless the home is empty or not there. */
async function refuseUsed(home: Home): Promise<void> {
  if (!(await exists(home.root))) return;
  const [first] = await listNames(home.root).catch((error: unknown) => {
    throw fail('home-not-empty', `${home.root}: ${messageOf(error)}`, { cause: error });
  });
  if (first !== undefined) throw fail('home-not-empty', `${home.root} is not empty: it holds ${first}`);
}

async function restoreVerified(restoring: Restoring, manifest: Manifest): Promise<Restored> {
  const { home } = restoring;
  const temporary = homeLayout(restoringPath(home));
  await mkdir(temporary.root, { recursive: true, mode: 0o700 });
  const lock = takeHomeLock(temporary.serverLock);
  if (lock === null) throw fail('home-held', `another restore is making ${home.root}`);
  try {
    return await fillHome(restoring, { manifest, temporary, lock });
  } catch (error) {
    lock.release();
    await removeTree(temporary.root);
    throw error;
  }
}

async function fillHome(
  restoring: Restoring,
  { manifest, temporary, lock }: { manifest: Manifest; temporary: Home; lock: HomeLock },
): Promise<Restored> {
  const { home, signal } = restoring;
  const lockName = basename(temporary.serverLock);
  for (const name of await listNames(temporary.root)) {
    if (!name.startsWith(lockName)) await removeTree(join(temporary.root, name));
  }
  await copyFiles(restoring, manifest, temporary);
  for (const directory of [temporary.jobs, temporary.repos, temporary.removals])
    await mkdir(directory, { recursive: true, mode: 0o700 });
  failpoint('restore.after-files');
  const host = await restoring.writeHost(temporary.hostFile);
  failpoint('restore.after-host');
  restoring.progress?.('database', 0, 1);
  const settled = await settleDatabase(restoring, manifest, temporary);
  failpoint('restore.after-database');
  signal.throwIfAborted();
  await syncFileSystem(temporary.root, 'restore');
  await refuseUsed(home);
  failpoint('restore.before-rename');
  await renameDurable(temporary.root, home.root);
  failpoint('restore.after-rename');
  lock.release();
  return { ...settled, manifest, host };
}

async function copyFiles({ from, signal, progress }: Restoring, manifest: Manifest, temporary: Home): Promise<void> {
  const mirrors = listMirrors(manifest, temporary);
  const bundles = new Set(mirrors.map(({ file }) => file));
  const files = manifest.files.filter(({ path }) => !bundles.has(path));
  for (const [index, file] of files.entries()) {
    progress?.('files', index, files.length);
    const to = join(temporary.root, file.path);
    await mkdir(dirname(to), { recursive: true, mode: 0o700 });
    const options = { check: () => signal.throwIfAborted(), flush: false };
    const { sha256 } = await writeStream(to, createReadStream(join(from, file.path)), options);
    if (sha256 !== file.sha256) throw fail('backup-damaged', `${join(from, file.path)} changed while it was restored`);
  }
  for (const [index, { file, ...mirror }] of mirrors.entries()) {
    progress?.('mirrors', index, mirrors.length);
    await unbundleMirror({ ...mirror, file: join(from, file), signal });
  }
}

/** Opens the copied database as that of the new home, settles what it says is alive, and checks all of it again. */
async function settleDatabase(restoring: Restoring, manifest: Manifest, temporary: Home): Promise<Settled> {
  const { signal, from, keepQueue, keepCallbacks } = restoring;
  writeWitness(temporary.database);
  const copy = openCopy(temporary.database);
  // Read before the rows change.
  const jobs = [...copy.jobs()];
  copy.close();
  const store = openSqliteStore({ path: temporary.database });
  await store.start();
  let settled: Settled;
  try {
    settled = await settleRestored({ store, home: temporary, manifest, from, keepQueue, keepCallbacks }, jobs);
  } finally {
    await store.stop();
  }
  const check = await checkCopyInThread(temporary.database, signal);
  const nameOf = (damage: string): string => damage.split(':')[0] ?? '';
  const known = new Set(manifest.damaged.map(nameOf));
  const more = describeDamage(check, temporary.database).filter((one) => !known.has(nameOf(one)));
  if (more.length > 0) throw fail('internal', `the restored database is not whole: ${more.slice(0, 5).join('; ')}`);
  await syncDirectory(temporary.root);
  return settled;
}
