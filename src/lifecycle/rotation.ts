/**
 * A new secret of callbacks: wished for by an operator before a byte of it is written, and recorded after. The secret is
 * in its file alone; the record names it by its hash.
 */
export const ROTATION_STATES = ['intended', 'done', 'failed'] as const;
export type RotationState = (typeof ROTATION_STATES)[number];

/** The only ways a rotation changes state. */
export const ROTATION_TRANSITIONS = {
  finish: { from: ['intended'], to: 'done', cause: 'the file holds the new secret' },
  fail: {
    from: ['intended'],
    to: 'failed',
    cause: 'the file was not replaced; the secret before it is the one in use',
  },
} as const satisfies Record<string, { from: readonly RotationState[]; to: RotationState; cause: string }>;
export type RotationTransition = keyof typeof ROTATION_TRANSITIONS;

export interface Rotation {
  id: string;
  /** Of the new secret. */
  secretSha256: string;
  state: RotationState;
  /** Whose wish it was. */
  actor: string;
  intendedAt: number;
  endedAt: number | null;
}

/** Whether the table allows `transition` from `state`. */
export function canMoveRotation(state: RotationState, transition: RotationTransition): boolean {
  return (ROTATION_TRANSITIONS[transition].from as readonly RotationState[]).includes(state);
}
