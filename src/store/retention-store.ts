/** The part of the store contract about what goes by age: workspaces of ended jobs, and ended jobs. */
import type { Job } from '../lifecycle/job.ts';

export interface EndedQuery {
  /** Jobs that finished before this, milliseconds since 1970. */
  before: number;
  /** Only those that still have a workspace. */
  workspaces: boolean;
  /** Only those after this one in the order of the list; null for the first page. */
  after: { finishedAt: number; number: number } | null;
  limit: number;
}

/** Names an ended job by the end that was looked at: one that was retried since is another thing. */
export interface EndedJob {
  id: string;
  finishedAt: number;
  actor: string;
}

export interface RetentionStore {
  /** Ended jobs, those that finished first first. */
  listEnded(query: EndedQuery): Promise<Job[]>;
  /**
   * Says that the workspace of an ended job is about to go, after its trees were saved; the intent of whatever is deleted.
   * Said again, it changes nothing. Throws `state-conflict` when the job has not ended, or ended another time; `gone`.
   */
  beginRetirement(job: EndedJob): Promise<Job>;
  /** Records that nothing of it is left; fine when that is known. Throws like `beginRetirement`, or when that was not said. */
  endRetirement(job: EndedJob): Promise<Job>;
  /** Ended jobs whose workspace was about to go and is not known to be gone; by number, at most 1000. */
  listRetirements(limit: number): Promise<Job[]>;
}
