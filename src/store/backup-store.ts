/** The part of the store contract that is about backups: their records, and the copy of the database they hold. */
import type { Backup, BackupTransition } from '../lifecycle/backup.ts';
import type { CreationRequest } from '../lifecycle/repository.ts';

/** What a copy of the database holds. */
export interface CopiedDatabase {
  /** Number of the newest migration. */
  schema: number;
  lastSeq: number;
  /** Hash of the last event. */
  lastHash: string;
}

/** What is to be made, where, and for whom. */
export interface NewBackup {
  /** Absolute path of the directory. */
  path: string;
  actor: string;
  /** Null, or absent, for a request without a key. */
  request?: CreationRequest | null;
}

export interface BackupMove {
  id: string;
  transition: BackupTransition;
  actor: string;
  set?: Partial<Pick<Backup, 'files' | 'bytes' | 'lastSeq' | 'manifestSha256' | 'note'>>;
}

export interface BackupStore {
  /**
   * Records what is about to be made, or returns what an earlier request with the same key made. Throws
   * `idempotency-conflict`, and `state-conflict` while another one is being made.
   */
  intendBackup(backup: NewBackup): Promise<{ backup: Backup; replayed: boolean }>;
  /** What this request made before, or null. Throws `idempotency-conflict`. */
  findAskedBackup(request: CreationRequest): Promise<Backup | null>;
  /** Throws `not-found`, `state-conflict`. */
  moveBackup(move: BackupMove): Promise<Backup>;
  getBackup(id: string): Promise<Backup | null>;
  /** Newest first, at most 200. */
  listBackups(): Promise<Backup[]>;
  /** The backup this home was restored from, as long as no other start than `boot` has become ready since; else null. */
  findFreshRestore(boot: string): Promise<Backup | null>;
  /**
   * Gives up messages that were not sent, the newest first, for the reason `why`; an operator can redeliver each. Returns
   * how many were; fewer than `limit` when none is left. Only for a home that was restored and has sent nothing.
   */
  keepBackDeliveries(input: { why: string; limit: number; actor: string }): Promise<number>;
  /**
   * Writes one consistent state of the database, as it is now, into the new file `path` (0600, not flushed), over a
   * connection of its own: nobody waits for it. Throws `storage-full`, `storage-failed`, `store-corrupt`.
   */
  copyDatabase(path: string, signal: AbortSignal): Promise<CopiedDatabase>;
}
