/** The part of the store contract that is about waiting: who waits for what, who shares a fetch, who holds a lock. */
import type { SourceTrouble } from '../lifecycle/repository.ts';
import type { Dependency } from '../lifecycle/dependency.ts';
import type { SurfaceJob } from '../lifecycle/surface.ts';

export interface Lock {
  /** `<kind>:<repository>`: `repo:<name>` is the repository's own lock, `tests:<name>` the slot for its tests. */
  key: string;
  /** Boot of the server that holds it. */
  boot: string;
  holder: { pid: number; start: string };
  /** Carried by the holder's child processes as HOLDFAST_OP. */
  operation: string;
  jobId: string | null;
  acquiredAt: number;
  fence: number;
}

/** A lock whose row cannot be trusted: nobody gets it before an operator clears it. */
export interface DamagedLock {
  key: string;
  why: string;
}

/** A fetch that went well, and whom it serves: every job whose place in the queue is at most `through`. */
export interface Batch {
  id: string;
  /** Of the registration, not its name: what comes after a removal begins anew. */
  repositoryId: string;
  /** The job that fetched for all of them; null for the first clone, which no job asked for. */
  jobId: string | null;
  /** Last place in the queue given out when the fetch began. */
  through: number;
  fetchedAt: number;
}

/** How full a repository is, and what keeps its jobs waiting. */
export interface Place {
  repository: string;
  concurrency: number;
  /** Jobs of it that are being prepared or run. */
  active: number;
  unavailable: string | null;
  trouble: SourceTrouble | null;
}

/** Who holds a surface of a repository, by number, and the first who wait for one, in the order of the queue. */
export interface SurfaceLine {
  repository: string;
  holders: SurfaceJob[];
  waiting: SurfaceJob[];
}

export interface WaitingStore {
  // waiting
  /** Every repository with its places, by name. */
  listPlaces(): Promise<Place[]>;
  /** The last place in the queue that was given out; 0 when none was. */
  getLastPlace(): Promise<number>;
  /** Of every repository with a live job that has a surface (lifecycle/surface.ts), by name. Reads live work only. */
  listSurfaces(): Promise<SurfaceLine[]>;
  /** Jobs by id, as far as it matters to who comes after them, in the order of the ids. */
  listDependencies(ids: readonly string[]): Promise<Dependency[]>;
  /** Records a fetch that went well; `through` is `getLastPlace` from before it began. */
  recordBatch(batch: { repository: string; jobId: string | null; through: number; actor: string }): Promise<Batch>;
  /** The newest of a repository, or null. */
  getNewestBatch(repositoryId: string): Promise<Batch | null>;

  // locks
  /**
   * Null when somebody else holds the key, which names a registered repository. The same operation of the same boot gets
   * the lock it has. Throws `lock-damaged` when the row of that key cannot be trusted.
   */
  acquireLock(lock: Omit<Lock, 'acquiredAt' | 'fence'>): Promise<Lock | null>;
  /** No effect when the lock was taken over by a newer fence. `actor` where it is not the boot that held it. */
  releaseLock(key: string, fence: number, actor?: string): Promise<void>;
  /** The locks that can be read, by key. */
  listLocks(): Promise<Lock[]>;
  /** The others: fields that cannot be read, or that are not what the journal says. Looks at the chains of locks only. */
  listDamagedLocks(): Promise<DamagedLock[]>;
  /**
   * Takes a lock away from whoever holds it, damaged or not; the caller has verified the holder dead. `seen` is the fence
   * of the lock it looked at, null where none could be read. Throws `not-found`, or `lock-held` for another lock.
   */
  clearLock(clear: { key: string; seen: number | null; actor: string }): Promise<void>;
}
