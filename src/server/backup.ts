/** Backups and restores without a server: this process takes the home as `serve` does, for as long as it needs it. */
import { mkdtemp, realpath } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { isAlive } from '../keeper/host-identity.ts';
import { readGitEnvironment } from '../keeper/environment.ts';
import { systemClock } from '../kernel/clock.ts';
import { fail } from '../kernel/errors.ts';
import { armFailpoints } from '../kernel/failpoints.ts';
import { createKeyedMutex } from '../kernel/keyed-mutex.ts';
import type { Log } from '../kernel/log.ts';
import { homeLayout } from '../lifecycle/home.ts';
import type { Backup } from '../lifecycle/backup.ts';
import { createBackupKeeper } from '../recovery/backup/backup-keeper.ts';
import type { BackupProgress } from '../recovery/backup/collect.ts';
import type { Manifest } from '../recovery/backup/manifest.ts';
import { restoreBackup, type Restored, type Restoring } from '../recovery/backup/restore-backup.ts';
import { verifyBackup } from '../recovery/backup/verify-backup.ts';
import { openSqliteStore } from '../store/sqlite/sqlite-store.ts';
import { exists, removeTree } from '../workspace/remove-tree.ts';
import { configureGit } from '../workspace/safe-git.ts';
import { guardHome } from './home-guard.ts';
import { writeFreshHost } from './host-file.ts';
import { readServerFile } from './server-file.ts';
import { VERSION } from './version.ts';

/** How often progress is told, milliseconds. */
const TELL_MS = 200;
const ACTOR = 'local';

export type RestorePhase = Parameters<NonNullable<Restoring['progress']>>[0];

export interface OfflineBackup {
  /** Absolute path of the home. */
  home: string;
  /** Absolute path of the directory to be made. */
  path: string;
  log: Log;
  signal: AbortSignal;
  failpoints: string | undefined;
  onProgress: (progress: BackupProgress) => void;
}

/**
 * Makes a backup of a home no server holds, and returns it once it has its name. Throws `home-held` when one does (that
 * server is asked instead), `not-found` when there is no home, and whatever a backup fails with.
 */
export async function makeOfflineBackup(options: OfflineBackup): Promise<Backup> {
  armFailpoints(options.failpoints);
  configureGit(readGitEnvironment());
  const home = homeLayout(options.home);
  if (!(await exists(home.database)))
    throw fail('not-found', `${home.root} is no home: it has no database`, {
      hint: 'Name it with --home or HOLDFAST_HOME.',
    });
  const lock = await guardHome(home, { takeover: false, log: options.log });
  const { failpoints } = options;
  const clock = systemClock;
  const store = openSqliteStore({ path: home.database, clock, ...(failpoints === undefined ? {} : { failpoints }) });
  try {
    await store.start();
    const ctx = { store, home, clock, log: options.log, jobFiles: createKeyedMutex() };
    const keeper = createBackupKeeper(ctx, VERSION);
    await keeper.settle();
    const { id } = (await keeper.begin({ path: options.path, actor: ACTOR })).backup;
    const timer = setInterval(() => options.onProgress(keeper.progressOf(id) ?? BEGUN), TELL_MS);
    const stop = (): void => void keeper.stop();
    options.signal.addEventListener('abort', stop, { once: true });
    try {
      const error = await keeper.wait(id, null);
      if (error !== null) throw error;
    } finally {
      clearInterval(timer);
      options.signal.removeEventListener('abort', stop);
    }
    const made = await store.getBackup(id);
    if (made === null) throw fail('internal', `backup ${id} was made and is not recorded`);
    return made;
  } finally {
    await store.stop();
    lock.release();
  }
}

const BEGUN: BackupProgress = { phase: 'database', jobs: 0, jobsTotal: 0, files: 0, bytes: 0 };

/** Reads a backup back, all of it. Throws `backup-damaged` with what is wrong, `backup-too-new`. */
export async function checkBackup(options: {
  path: string;
  signal: AbortSignal;
  onProgress: (done: number, total: number) => void;
}): Promise<Manifest> {
  configureGit(readGitEnvironment());
  const scratch = await realpath(await mkdtemp(join(tmpdir(), 'holdfast-verify-')));
  try {
    const { path, signal, onProgress } = options;
    const { manifest } = await verifyBackup(path, { signal, scratch, replay: true, progress: onProgress });
    return manifest;
  } finally {
    await removeTree(scratch);
  }
}

export interface RestoreOptions {
  from: string;
  /** Absolute path of the home that is to be. */
  home: string;
  keepQueue: boolean;
  keepCallbacks: boolean;
  signal: AbortSignal;
  failpoints: string | undefined;
  onProgress: (phase: RestorePhase, done: number, total: number) => void;
}

/** Makes a home from a backup. Throws `home-held` for the home of a server, `home-not-empty`, and as `restoreBackup`. */
export async function restoreHome(options: RestoreOptions): Promise<Restored> {
  armFailpoints(options.failpoints);
  configureGit(readGitEnvironment());
  const home = homeLayout(resolve(options.home));
  const server = await readServerFile(home.serverFile).catch(() => null);
  if (server !== null && isAlive(server)) {
    throw fail(
      'home-held',
      `${home.root} is the home of process ${server.pid} at ${server.url}: nothing is restored over it`,
      {
        hint: 'Name another home with --home; a home in use is never overwritten.',
      },
    );
  }
  return restoreBackup({
    from: options.from,
    home,
    keepQueue: options.keepQueue,
    keepCallbacks: options.keepCallbacks,
    signal: options.signal,
    writeHost: (path) => writeFreshHost(path, systemClock.now()),
    progress: options.onProgress,
  });
}
