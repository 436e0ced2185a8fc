/**
 * Something outside Holdfast that a job made and that must not outlive it: named by its job while it exists, cleaned up
 * by that name and never by a guess.
 */
import type { ProcessIdentity } from './attempt.ts';
import type { CreationRequest } from './repository.ts';

export const RESOURCE_KINDS = ['container', 'network', 'process', 'path'] as const;
export type ResourceKind = (typeof RESOURCE_KINDS)[number];

export const RESOURCE_STATES = ['registered', 'removing', 'failed', 'removed'] as const;
export type ResourceState = (typeof RESOURCE_STATES)[number];

/** The only ways a resource changes state. */
export const RESOURCE_TRANSITIONS = {
  begin: {
    from: ['registered', 'failed', 'removing'],
    to: 'removing',
    cause: 'its job has ended, or a client asks; a crash in between begins it again',
  },
  finish: { from: ['removing'], to: 'removed', cause: 'it is verified gone' },
  fail: { from: ['removing'], to: 'failed', cause: 'it could not be removed; the next start tries again' },
  forget: {
    from: ['registered', 'failed'],
    to: 'removed',
    cause: 'an operator takes care of it; nothing was done to it',
  },
} as const satisfies Record<string, { from: readonly ResourceState[]; to: ResourceState; cause: string }>;
export type ResourceTransition = keyof typeof RESOURCE_TRANSITIONS;

/** What identifies it, as found when it was registered: only something that still fits is ever removed. */
export type ResourceFacts =
  /** A process of one boot of the host and one pid namespace. */
  | ({ boot: string; pidns: string } & ProcessIdentity)
  /** The full id, as the engine gave it. */
  | { engineId: string }
  /** Relative to the workspace or to the agent's home of the job. */
  | { root: 'workspace' | 'home'; path: string };

export interface Resource {
  id: string;
  jobId: string;
  kind: ResourceKind;
  /** As the client named it. */
  target: string;
  facts: ResourceFacts;
  /** Text of the facts: no two open resources of a kind have the same. */
  identity: string;
  state: ResourceState;
  /** How often its removal was begun. */
  tries: number;
  /** Why it could not be removed, or how it went. */
  note: string | null;
  principal: string;
  /** The request that registered it; null for one without a key. */
  request: CreationRequest | null;
  registeredAt: number;
  /** When its removal was last begun. */
  removingAt: number | null;
  removedAt: number | null;
  version: number;
}

/** Resources of one job that may be open at once: a defence against a loop that registers without end. */
export const MAX_OPEN_RESOURCES = 1000;

/** Whether the table allows `transition` from `state`. */
export function canMoveResource(state: ResourceState, transition: ResourceTransition): boolean {
  return (RESOURCE_TRANSITIONS[transition].from as readonly ResourceState[]).includes(state);
}
