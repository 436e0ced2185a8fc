/** The part of the store contract that is about new secrets of callbacks. */
import type { Rotation, RotationTransition } from '../lifecycle/rotation.ts';

export interface RotationStore {
  /** Records a new secret that is about to be written. Throws `state-conflict` while another one is. */
  intendRotation(rotation: Pick<Rotation, 'secretSha256' | 'actor'>): Promise<Rotation>;
  /** Throws `not-found`, `state-conflict`. */
  endRotation(move: { id: string; transition: RotationTransition }): Promise<Rotation>;
  /** The one that was begun and not ended, or null. */
  findOpenRotation(): Promise<Rotation | null>;
}
