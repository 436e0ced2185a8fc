/** New secrets of callbacks, each wish on a chain of its own. */
import { fail } from '../../kernel/errors.ts';
import {
  ROTATION_TRANSITIONS,
  canMoveRotation,
  type Rotation,
  type RotationTransition,
} from '../../lifecycle/rotation.ts';
import { defineEntity } from './entities.ts';
import { makeId } from './ids.ts';
import { GENESIS, appendEvent } from './journal.ts';
import { insertRecord, toChained, toRecord, updateRecord, withoutNulls } from './records.ts';
import type { Reader, Session } from './session.ts';

/** Rotations as they are stored. */
export const ROTATIONS = defineEntity<Rotation>({
  noun: 'rotation',
  table: 'rotations',
  key: 'id',
  chained: true,
  kinds: { id: 'text', secretSha256: 'text', state: 'text', actor: 'text', intendedAt: 'int', endedAt: 'int' },
});

const SELECT = `SELECT ${ROTATIONS.select} FROM rotations`;

function chainOf({ id, actor }: Rotation): { actor: string; subject: string; jobId: null; attemptId: null } {
  return { actor, subject: id, jobId: null, attemptId: null };
}

/** Records a secret that is about to be written; throws `state-conflict` while another one is. */
export function intendRotation(session: Session, input: Pick<Rotation, 'secretSha256' | 'actor'>): Rotation {
  if (findOpenRotation(session) !== null) throw fail('state-conflict', 'another rotation has not ended');
  const { secretSha256, actor } = input;
  const id = makeId('rot', session.at);
  const rotation: Rotation = { id, secretSha256, state: 'intended', actor, intendedAt: session.at, endedAt: null };
  const event = { ...chainOf(rotation), kind: 'rotation.intend', data: withoutNulls(rotation) };
  insertRecord(session.sql, ROTATIONS, { record: rotation, head: appendEvent(session, event, GENESIS) });
  return rotation;
}

/** Records how a rotation ended; throws `not-found`, or `state-conflict` when it had ended. */
export function endRotation(session: Session, move: { id: string; transition: RotationTransition }): Rotation {
  const row = session.sql.get(`${SELECT} WHERE id = $1`, move.id);
  if (row === null) throw fail('not-found', `there is no rotation ${move.id}`);
  const { record, head } = toChained(ROTATIONS, row);
  const { transition } = move;
  if (!canMoveRotation(record.state, transition)) {
    throw fail('state-conflict', `rotation ${move.id} is ${record.state}`);
  }
  const changes = { state: ROTATION_TRANSITIONS[transition].to, endedAt: session.at };
  const event = { ...chainOf(record), kind: `rotation.${transition}`, data: changes };
  const guard = ` AND state = '${record.state}'`;
  const update = { key: move.id, changes, head: appendEvent(session, event, head), guard, fence: null };
  if (!updateRecord(session.sql, ROTATIONS, update)) throw fail('internal', `rotation ${move.id} did not change`);
  return { ...record, ...changes };
}

/** Returns the rotation that was begun and not ended, or null. */
export function findOpenRotation(reader: Reader): Rotation | null {
  const row = reader.sql.get(`${SELECT} WHERE state = 'intended'`);
  return row === null ? null : toRecord(ROTATIONS, row);
}
