/**
 * What lies or runs somewhere and belongs to nothing any more. Each finding has an id that stays the same from look to
 * look, says whether it is provably ours and by what, and proposes one action; nothing is done without being named.
 */
export const ORPHAN_KINDS = [
  'job-directory',
  'workspace',
  'missing-workspace',
  'run-directory',
  'staging',
  'temp-file',
  'removal',
  'repository-directory',
  'scratch',
  'ref',
  'process',
  'lock',
  'resource',
  'evidence',
  'missing-evidence',
  'stage-home',
  'stage-copy',
  'unknown-entry',
] as const;
export type OrphanKind = (typeof ORPHAN_KINDS)[number];

export const ORPHAN_ACTIONS = [
  'remove',
  'save-and-remove',
  'delete-refs',
  'end-processes',
  'release-lock',
  'remove-resource',
  'none',
] as const;
export type OrphanAction = (typeof ORPHAN_ACTIONS)[number];

export interface Orphan {
  /** `orph_` and 20 hexadecimal characters, worked out from what it is. */
  id: string;
  kind: OrphanKind;
  /** Absolute path, or null for what is no file. */
  path: string | null;
  /** Token, identity, key or id, or null for what is a file. */
  identity: string | null;
  jobId: string | null;
  /** Milliseconds since it was last changed; null when that is not known. */
  ageMs: number | null;
  /** Whether it is provably Holdfast's and belongs to nothing: only then anything is ever done. */
  ours: boolean;
  /** By what it is ours, or why that is not certain. */
  why: string;
  action: OrphanAction;
  note: string;
}

export const REPAIR_STATES = ['intended', 'done', 'failed'] as const;
export type RepairState = (typeof REPAIR_STATES)[number];

/** The only ways a repair changes state. */
export const REPAIR_TRANSITIONS = {
  finish: { from: ['intended'], to: 'done', cause: 'what was found is gone' },
  fail: { from: ['intended'], to: 'failed', cause: 'it could not be done' },
} as const satisfies Record<string, { from: readonly RepairState[]; to: RepairState; cause: string }>;
export type RepairTransition = keyof typeof REPAIR_TRANSITIONS;

/** One action on one orphan, on the word of an operator (or of a start, for what it may remove by itself). */
export interface Repair {
  id: string;
  orphanId: string;
  kind: OrphanKind;
  /** Path or identity. */
  target: string;
  action: OrphanAction;
  state: RepairState;
  /** What was saved before, how it went, or why it failed. */
  note: string | null;
  actor: string;
  intendedAt: number;
  endedAt: number | null;
}

/** Whether the table allows `transition` from `state`. */
export function canMoveRepair(state: RepairState, transition: RepairTransition): boolean {
  return (REPAIR_TRANSITIONS[transition].from as readonly RepairState[]).includes(state);
}
