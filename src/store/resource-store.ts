/** The part of the store contract that is about external resources of jobs. */
import type { Resource, ResourceState, ResourceTransition } from '../lifecycle/resource.ts';
import type { CreationRequest } from '../lifecycle/repository.ts';
import type { Page } from './store.ts';

/** A resource to register; the facts were verified by whoever asks. */
export type NewResource = Pick<Resource, 'jobId' | 'kind' | 'target' | 'facts' | 'identity' | 'principal'> & {
  request?: CreationRequest | null;
};

export interface ResourceMove {
  id: string;
  transition: ResourceTransition;
  note: string | null;
  actor: string;
  /** Refused with `state-conflict` unless the job has ended, judged in the same transaction. */
  onlyEnded?: boolean;
}

export interface ResourceQuery {
  /** Absent: the open resources of all jobs. */
  jobId?: string;
  cursor?: string;
  /** At most 200. */
  limit: number;
}

export interface ResourceStore {
  /**
   * The same thing of the same job gives its row, as does a repeated request; of another job `already-exists`; an ended job
   * `state-conflict`; another request under the same key `idempotency-conflict`.
   */
  addResource(input: NewResource): Promise<Resource>;
  /** What this request registered before, or null; throws `idempotency-conflict`. */
  findRegistered(request: CreationRequest): Promise<Resource | null>;
  getResource(id: string): Promise<Resource | null>;
  /** Oldest first; removed ones too when a job is named. */
  listResources(query: ResourceQuery): Promise<Page<Resource>>;
  /** Open resources of ended jobs, and those whose removal was begun: what a start goes on with. */
  listDueResources(): Promise<Resource[]>;
  countResources(): Promise<Record<Exclude<ResourceState, 'removed'>, number>>;
  moveResource(move: ResourceMove): Promise<Resource>;
}
