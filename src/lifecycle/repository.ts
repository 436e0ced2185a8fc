import type { AttemptLimits } from './job.ts';
import type { Budgets, Reviewer } from './stage.ts';

/** A registered git repository. Its clone state is what the mirror on disk is known to be, not a wish. */
export type CloneState = 'registered' | 'cloning' | 'ready' | 'failed';

export interface Repository {
  id: string;
  /** Unique; letters, digits, `._-`, at most 64 characters. */
  name: string;
  /** Absolute path, https URL or ssh address, as the operator registered it. */
  source: string;
  sourceKind: 'path' | 'url';
  /** Base branch without `refs/heads/`. */
  base: string;
  /** Gate commands as argv lists; never taken from a prompt or the repository's own files. */
  verify: string[][];
  merge: boolean;
  /** Reviewers, budgets and limits of gates, where they are not the defaults. */
  pipeline: PipelineSettings | null;
  /** Where the branch of a hand-off is pushed to: absolute path, https URL or ssh address; null for nowhere. */
  push: string | null;
  trusted: boolean;
  /** Jobs of this repository that may hold a place at once. */
  concurrency: number;
  /** Command of agent `exec` for jobs that bring none. */
  command: string[] | null;
  cloneState: CloneState;
  /** Why the repository cannot be used now, or null. */
  unavailable: string | null;
  /** While its source does not answer: nothing of it that needs a fetch is claimed before `retryAt`. */
  trouble: SourceTrouble | null;
  /** The request that registered it, so that a repetition of it finds this one; null for one without a key. */
  request: CreationRequest | null;
  createdAt: number;
  updatedAt: number;
  version: number;
}

/** What an operator says of the pipeline of a repository; what is absent is as by default. */
export interface PipelineSettings {
  reviewers?: Reviewer[] | undefined;
  budgets?: Some<Budgets> | undefined;
  gateLimits?: Some<AttemptLimits> | undefined;
  reports?: string[] | undefined;
}

type Some<T> = { [K in keyof T]?: T[K] | undefined };

/** A creating request that may be repeated: the key is its principal's own. */
export interface CreationRequest {
  principal: string;
  key: string;
  sha256: string;
}

/** A source that did not answer, as far as it is worth trying again by itself. */
export interface SourceTrouble {
  /** What the last fetch failed with, for people. */
  why: string;
  /** Fetches that failed in a row. */
  failures: number;
  /** When the next one is due; null: at once. */
  retryAt: number | null;
}

/** Default number of jobs of one repository at work at once (design: budgets). */
export const DEFAULT_REPOSITORY_CONCURRENCY = 3;
