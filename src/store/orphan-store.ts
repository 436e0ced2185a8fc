/** The part of the store contract that is about orphans: what a look needs to know of many rows at once, and repairs. */
import type { AttemptState, JobState } from '../lifecycle/transitions.ts';
import type { Repair, RepairTransition } from '../lifecycle/orphan.ts';

/** What a look at the directories of jobs needs of their rows. */
export interface JobOutline {
  id: string;
  number: number;
  state: JobState;
  workspaceState: 'none' | 'preparing' | 'ready';
  attempts: number;
  fence: number;
  /** Rows of evidence it has. */
  evidence: number;
}

export interface OrphanStore {
  /** Jobs by id, after this one; at most 1000. */
  listJobOutlines(after: string, limit: number): Promise<JobOutline[]>;
  /** Which of these ids are those of jobs; at most 1000. */
  findJobIds(ids: readonly string[]): Promise<string[]>;
  /** Which of these ids were removed; at most 1000. */
  findTombstones(ids: readonly string[]): Promise<string[]>;
  /** Attempts by id, with the state of their job; at most 1000. */
  findAttempts(
    ids: readonly string[],
  ): Promise<{ id: string; jobId: string; state: AttemptState; jobState: JobState }[]>;
  /** Records what is about to be done; an open repair of the same orphan is given again. */
  intendRepair(repair: Pick<Repair, 'orphanId' | 'kind' | 'target' | 'action' | 'actor'>): Promise<Repair>;
  endRepair(move: { id: string; transition: RepairTransition; note: string | null }): Promise<Repair>;
  /** Repairs that were begun and not ended. */
  listOpenRepairs(): Promise<Repair[]>;
}
