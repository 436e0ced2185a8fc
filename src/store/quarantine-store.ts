/** The part of the store contract about damage: the check of all history, and what was set aside. */
import type { Job } from '../lifecycle/job.ts';
import type { Page } from './store.ts';

export interface StoreCheck {
  checked: number;
  corrupt: { kind: string; id: string; why: string }[];
  /** Why the last acknowledged sequence is not there any more, or null. */
  witness: string | null;
}

/** Something damaged that was set aside, in the form it was found in. Nothing of it is deleted. */
export interface QuarantineItem {
  id: string;
  /** What it is: `job`, `prompt`, `counter`, `exit`, `output`, … */
  kind: string;
  /** Id of the record, or path of the file below the home. */
  item: string;
  /** Absolute path of the file that holds it. */
  path: string;
  why: string;
  /** Job it belongs to, or null. */
  jobId: string | null;
  /** Start whose check found it. */
  boot: string;
  foundAt: number;
  releasedAt: number | null;
  releasedBy: string | null;
  /**
   * What a release did: `restored` wrote the row anew from its intact journal, `recounted` counted anew, `accepted` left
   * it as it is. The same damage is not set aside again.
   */
  resolution: 'restored' | 'recounted' | 'accepted' | null;
}

/** Begins the blocker of a job whose own record is damaged; what is wrong with it follows. */
export const DAMAGED_RECORD = 'its record in the store is damaged: ';

export type NewQuarantine = Pick<QuarantineItem, 'kind' | 'item' | 'path' | 'why' | 'jobId'>;

/** What a slice of the background check looked at. */
export interface ScrubSlice {
  /** Records checked, by kind. */
  checked: Record<string, number>;
  corrupt: { kind: string; id: string; why: string }[];
}

export interface QuarantineQuery {
  jobId?: string;
  released?: boolean;
  cursor?: string;
  /** At most 200. */
  limit?: number;
}

export interface QuarantineStore {
  /**
   * Verifies hash chains of jobs that have begun against their rows, and the witness. Cost grows with work under way
   * only: jobs that wait are verified when they are claimed (`claimJobs`) and by the scrub. What the witness found is
   * told again by every later start, until a recovery report has been recorded (`updateBoot`).
   */
  checkLive(): Promise<StoreCheck>;
  /** Replays the whole journal and compares every row: what `doctor --deep` and the tests call. */
  checkDeep(): Promise<StoreCheck>;
  /**
   * Checks all history as `checkDeep` does, in slices on a connection of its own that rests three times as long as it
   * works, so that nobody waits for it. Calls back after each slice; ends early when `signal` is aborted.
   */
  scrub(onSlice: (slice: ScrubSlice) => void, signal: AbortSignal): Promise<void>;

  /** Sets aside what is not known yet; says of each what it is now: a thing that is set
   * aside stays one item whatever is found of it, and damage that was released stays released. */
  addQuarantine(found: readonly NewQuarantine[], boot: string): Promise<{ item: QuarantineItem; isNew: boolean }[]>;
  /** Oldest first; without `jobId` those of every job. Released ones only when asked for. */
  listQuarantine(query: QuarantineQuery): Promise<Page<QuarantineItem>>;
  getQuarantine(id: string): Promise<QuarantineItem | null>;
  countQuarantine(): Promise<number>;
  /** Does what its kind allows (`resolution`) and records who did it; one that is released stays as it is. Throws `not-found`. */
  releaseQuarantine(id: string, actor: string): Promise<QuarantineItem>;
  /**
   * Puts a quarantined job back into the queue under a new epoch, its row first restored from the journal. Throws
   * `record-corrupt` when the journal of the job is itself damaged, `state-conflict` when it is not quarantined.
   */
  releaseJob(id: string, actor: string): Promise<Job>;
}
