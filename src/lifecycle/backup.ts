import type { CreationRequest } from './repository.ts';

/**
 * A backup: a directory that holds what a home needs to be made again elsewhere. It is intended before a byte is written,
 * lies under a name that says so until it is whole and read back, and is renamed last.
 */
export const BACKUP_STATES = ['making', 'made', 'failed', 'restored'] as const;
export type BackupState = (typeof BACKUP_STATES)[number];

/** The only ways a backup changes state. */
export const BACKUP_TRANSITIONS = {
  finish: { from: ['making'], to: 'made', cause: 'it is whole, was read back, and has its name' },
  fail: { from: ['making'], to: 'failed', cause: 'it was not finished; nothing of it is left' },
  restore: { from: ['making'], to: 'restored', cause: 'this very home was made from it' },
} as const satisfies Record<string, { from: readonly BackupState[]; to: BackupState; cause: string }>;
export type BackupTransition = keyof typeof BACKUP_TRANSITIONS;

/** A backup as the home it was made of records it. Its own copy of that home says `making` until it is restored. */
export interface Backup {
  id: string;
  /** Absolute path of the directory, on the machine it was made on. */
  path: string;
  state: BackupState;
  actor: string;
  intendedAt: number;
  endedAt: number | null;
  /** Files in it, the manifest apart; null before it has ended well. */
  files: number | null;
  bytes: number | null;
  /** Last event of the journal that is in it. */
  lastSeq: number | null;
  /** sha256 of its manifest. */
  manifestSha256: string | null;
  /** Why it failed, what it lacks, or from where it was restored. */
  note: string | null;
  /** Request that asked for it, so that a repetition makes no other; null for one without a key. */
  request: CreationRequest | null;
}

/** Whether the table allows `transition` from `state`. */
export function canMoveBackup(state: BackupState, transition: BackupTransition): boolean {
  return (BACKUP_TRANSITIONS[transition].from as readonly BackupState[]).includes(state);
}

/** Name a backup has while it is not whole: nobody takes it for one, and its row leads to it. */
export function unfinishedPath(backup: Pick<Backup, 'id' | 'path'>): string {
  return `${backup.path}.${backup.id}`;
}
