/** Makes backups when asked, one at a time, and settles what a crash left of one. */
import { readdir } from 'node:fs/promises';
import { dirname, isAbsolute, relative, resolve } from 'node:path';
import { endOperation } from '../../keeper/processes.ts';
import { fail } from '../../kernel/errors.ts';
import { failpoint } from '../../kernel/failpoints.ts';
import { errnoOf, messageOf } from '../../kernel/result.ts';
import { unfinishedPath, type Backup } from '../../lifecycle/backup.ts';
import type { NewBackup } from '../../store/backup-store.ts';
import { exists, removeTree } from '../../workspace/remove-tree.ts';
import type { BackupContext, BackupProgress } from './collect.ts';
import { makeBackup, type MadeBackup } from './make-backup.ts';
import { readManifest } from './manifest.ts';

/** What one warning names of what a backup lacks. */
const NAMED = 3;
const BEGUN: BackupProgress = { phase: 'database', jobs: 0, jobsTotal: 0, files: 0, bytes: 0 };

export interface BackupKeeper {
  /**
   * Records the wish and begins, in the background; a request that was made before under the same key begins nothing.
   * Throws `bad-request` for a place no backup can have, `already-exists`, `idempotency-conflict`, `state-conflict` while
   * another one is made.
   */
  begin(wish: NewBackup): Promise<{ backup: Backup; replayed: boolean }>;
  /**
   * The error a backup of this process failed with, null while it is made or when it was. Waits up to `ms` for its end, or
   * as long as it takes for null.
   */
  wait(id: string, ms: number | null): Promise<Error | null>;
  /** How far it is, or null when this process does not make it. */
  progressOf(id: string): BackupProgress | null;
  /** Ends what an earlier process began: it is recorded if it has its name, else removed. Returns how many. */
  settle(): Promise<number>;
  /** Ends the one that is being made, and waits until nothing of it is left. */
  stop(): Promise<void>;
}

/** Returns what makes backups of this home; `version` is that of this program. */
export function createBackupKeeper(ctx: BackupContext, version: string): BackupKeeper {
  return new Keeper(ctx, version);
}

interface Running {
  id: string;
  progress: BackupProgress;
  ended: Promise<Error | null>;
}

class Keeper implements BackupKeeper {
  readonly #ctx: BackupContext;
  readonly #version: string;
  readonly #closing = new AbortController();
  /** The newest one of this process. */
  #last: Running | null = null;

  constructor(ctx: BackupContext, version: string) {
    this.#ctx = ctx;
    this.#version = version;
  }

  async begin({ path, actor, request = null }: NewBackup): Promise<{ backup: Backup; replayed: boolean }> {
    const { store, home } = this.#ctx;
    // What it made lies at that place by now.
    const first = request === null ? null : await store.findAskedBackup(request);
    if (first !== null) return { backup: first, replayed: true };
    const target = await checkTarget(home.root, path);
    this.#closing.signal.throwIfAborted();
    const { backup, replayed } = await store.intendBackup({ path: target, actor, request });
    if (replayed) return { backup, replayed };
    failpoint('backup.after-intent');
    const running: Running = { id: backup.id, progress: { ...BEGUN }, ended: Promise.resolve(null) };
    running.ended = this.#make(backup, running);
    this.#last = running;
    return { backup, replayed: false };
  }

  async wait(id: string, ms: number | null): Promise<Error | null> {
    const running = this.#last;
    if (running?.id !== id) return null;
    if (ms === null) return running.ended;
    const { promise: late, resolve: giveUp } = Promise.withResolvers<null>();
    // Zero still hears of one that has ended: its promise is settled before any timer.
    const timer = setTimeout(() => giveUp(null), ms);
    try {
      return await Promise.race([running.ended, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  progressOf(id: string): BackupProgress | null {
    return this.#last?.id === id ? this.#last.progress : null;
  }

  async settle(): Promise<number> {
    const open = (await this.#ctx.store.listBackups()).filter(({ state }) => state === 'making');
    for (const backup of open) await this.#settleOne(backup);
    return open.length;
  }

  async stop(): Promise<void> {
    this.#closing.abort(fail('not-ready', 'the server is stopping'));
    await this.#last?.ended;
  }

  /** Never throws: returns the error it failed with. */
  async #make(backup: Backup, running: Running): Promise<Error | null> {
    const { store, log } = this.#ctx;
    const { id, path, actor } = backup;
    const progress = (change: Partial<BackupProgress>): void => void Object.assign(running.progress, change);
    try {
      const making = { backup, version: this.#version, signal: this.#closing.signal, progress };
      const made = await makeBackup(this.#ctx, making);
      const { files, bytes, lastSeq, manifestSha256 } = made;
      const set = { files, bytes, lastSeq, manifestSha256, note: describeGaps(made) };
      await store.moveBackup({ id, transition: 'finish', actor, set });
      failpoint('backup.after-record');
      log.info(`backup ${id} made: ${path}, ${files ?? 0} files, ${bytes ?? 0} bytes`);
      return null;
    } catch (error) {
      const note = messageOf(error);
      log.warn(`backup ${id} to ${path} failed: ${note}`);
      // What cannot be recorded now is settled by the next start.
      await store.moveBackup({ id, transition: 'fail', actor, set: { note } }).catch((left: unknown) => {
        log.warn(`backup ${id}: ${messageOf(left)}`);
      });
      return error instanceof Error ? error : new Error(note);
    }
  }

  async #settleOne(backup: Backup): Promise<void> {
    const { store, log } = this.#ctx;
    const move = { id: backup.id, actor: backup.actor };
    const found = await readManifest(backup.path).catch(() => null);
    if (found?.manifest.id === backup.id) {
      const { manifest, sha256 } = found;
      const bytes = manifest.files.reduce((sum, file) => sum + file.bytes, 0);
      const { lastSeq } = manifest.database;
      const note = describeGaps(manifest);
      const set = { files: manifest.files.length, bytes, lastSeq, manifestSha256: sha256, note };
      await store.moveBackup({ ...move, transition: 'finish', set });
      log.info(`backup ${backup.id} had been made before a crash: ${backup.path}`);
      return;
    }
    await endOperation(backup.id);
    await removeTree(unfinishedPath(backup));
    await store.moveBackup({ ...move, transition: 'fail', set: { note: 'a crash ended it; nothing of it is left' } });
    log.warn(`backup ${backup.id} to ${backup.path} was ended by a crash; nothing of it is left`);
  }
}

function describeGaps({ missing, damaged }: Pick<MadeBackup, 'missing' | 'damaged'>): string | null {
  const tell = (what: string, items: readonly string[]): string[] =>
    items.length === 0
      ? []
      : [
          `${what}: ${items.slice(0, NAMED).join('; ')}${items.length > NAMED ? ` and ${items.length - NAMED} more` : ''}`,
        ];
  const gaps = [...tell('not in it', missing), ...tell('damaged in this home and in it', damaged)];
  return gaps.length === 0 ? null : gaps.join(' · ');
}

/** Returns the absolute path a backup may be made at: nothing is there, and it is not inside what it saves. */
async function checkTarget(home: string, path: string): Promise<string> {
  if (!isAbsolute(path) || path.includes('\0')) throw fail('bad-request', `"${path}" is not an absolute path`);
  const target = resolve(path);
  const inside = relative(home, target);
  if (inside === '' || (!inside.startsWith('..') && !isAbsolute(inside)))
    throw fail('bad-request', `${target} is inside the home it would save`, {
      hint: 'Name a directory elsewhere, best on another disk.',
    });
  if (await exists(target))
    throw fail('already-exists', `${target} is there already`, {
      hint: 'Name a directory that does not exist yet; it is made.',
    });
  try {
    await readdir(dirname(target));
  } catch (error) {
    if (!['ENOENT', 'ENOTDIR', 'EACCES'].includes(errnoOf(error) ?? '')) throw error;
    throw fail('bad-request', `${dirname(target)} is not a directory that can be written: ${messageOf(error)}`);
  }
  return target;
}
