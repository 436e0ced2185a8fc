/** Bearer tokens, by hash. */
import { fail } from '../../kernel/errors.ts';
import { makeId } from './ids.ts';
import type { TokenRow } from '../store.ts';
import { TOKENS } from './entities.ts';
import { insertRecord, toChained, toRecord, updateRecord, withoutNulls } from './records.ts';
import { GENESIS, appendEvent } from './journal.ts';
import type { Reader, Session } from './session.ts';

function chainOf(id: string): { actor: string; subject: string; jobId: null; attemptId: null } {
  return { actor: 'local', subject: id, jobId: null, attemptId: null };
}

/** Returns all tokens, oldest first, revoked ones too. */
export function listTokens(reader: Reader): TokenRow[] {
  return reader.sql.all(`SELECT ${TOKENS.select} FROM tokens ORDER BY id`).map((row) => toRecord(TOKENS, row));
}

/** Adds a token; throws `already-exists` for a hash that is there. */
export function addToken(session: Session, input: { name: string; sha256: string }): TokenRow {
  if (session.sql.get('SELECT 1 FROM tokens WHERE sha256 = $1', input.sha256) !== null) {
    throw fail('already-exists', 'this token was added before');
  }
  const { name, sha256 } = input;
  const token: TokenRow = { id: makeId('tok', session.at), name, sha256, createdAt: session.at, revokedAt: null };
  const event = { ...chainOf(token.id), kind: 'token.add', data: withoutNulls(token) };
  insertRecord(session.sql, TOKENS, { record: token, head: appendEvent(session, event, GENESIS) });
  return token;
}

/** Revokes a token; a revoked one keeps its time. Throws `not-found`. */
export function revokeToken(session: Session, id: string): TokenRow {
  const row = session.sql.get(`SELECT ${TOKENS.select} FROM tokens WHERE id = $1`, id);
  if (row === null) throw fail('not-found', `there is no token ${id}`);
  const { record, head } = toChained(TOKENS, row);
  if (record.revokedAt !== null) return record;
  const changes = { revokedAt: session.at };
  const event = { ...chainOf(id), kind: 'token.revoke', data: changes };
  const update = { key: id, changes, head: appendEvent(session, event, head), guard: '', fence: null };
  if (!updateRecord(session.sql, TOKENS, update)) throw fail('internal', `token ${id} did not change`);
  return { ...record, ...changes };
}
