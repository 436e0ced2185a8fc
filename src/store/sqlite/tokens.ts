/** Bearer tokens, by hash. */
import { toIso } from '../../kernel/clock.ts';
import { fail } from '../../kernel/errors.ts';
import { makeId } from './ids.ts';
import type { Store, TokenRow } from '../store.ts';
import { TOKENS } from './entities.ts';
import { insertRecord, toChained, toRecord, updateRecord, withoutNulls } from './records.ts';
import { GENESIS, appendEvent } from './journal.ts';
import { findRepeated } from './requests.ts';
import type { Reader, Session } from './session.ts';

/** Actor of what happens to a token without anybody asking for just that. */
const OPERATOR = 'local';

function chainOf(id: string, actor: string): { actor: string; subject: string; jobId: null; attemptId: null } {
  return { actor, subject: id, jobId: null, attemptId: null };
}

/** Returns all tokens, oldest first, revoked ones too. */
export function listTokens(reader: Reader): TokenRow[] {
  return reader.sql.all(`SELECT ${TOKENS.select} FROM tokens ORDER BY id`).map((row) => toRecord(TOKENS, row));
}

/**
 * Adds a token; throws `already-exists` for a hash that is there. A repeated request is refused with `token-shown`: what it
 * asks for was in the first answer, and only its hash is kept.
 */
export function addToken(session: Session, ...[input]: Parameters<Store['addToken']>): TokenRow {
  const { request = null, actor = OPERATOR } = input;
  const describe = ({ id, name: named }: TokenRow): string => `token ${id} ("${named}")`;
  const first = findRepeated(session, TOKENS, { request, name: describe });
  if (first !== null) {
    const end = first.revokedAt === null ? '' : `; it was revoked at ${toIso(first.revokedAt)}`;
    throw fail('token-shown', `the key already made ${describe(first)} at ${toIso(first.createdAt)}${end}`, {
      hint: `If that answer did not arrive: \`holdfast token revoke ${first.id}\`, then create another with a new key.`,
    });
  }
  if (session.sql.get('SELECT 1 FROM tokens WHERE sha256 = $1', input.sha256) !== null) {
    throw fail('already-exists', 'this token was added before');
  }
  const { name, sha256 } = input;
  return insertToken(session, { name, sha256, accountId: null, expiresAt: null, request }, actor);
}

/** Writes a token and the event that makes it. */
export function insertToken(
  session: Session,
  input: Pick<TokenRow, 'name' | 'sha256' | 'accountId' | 'expiresAt' | 'request'>,
  actor: string = OPERATOR,
): TokenRow {
  const token: TokenRow = { id: makeId('tok', session.at), ...input, createdAt: session.at, revokedAt: null };
  const event = { ...chainOf(token.id, actor), kind: 'token.add', data: withoutNulls(token) };
  insertRecord(session.sql, TOKENS, { record: token, head: appendEvent(session, event, GENESIS) });
  return token;
}

/** Revokes a token; a revoked one keeps its time. Throws `not-found`. */
export function revokeToken(session: Session, id: string, actor: string = OPERATOR): TokenRow {
  const row = session.sql.get(`SELECT ${TOKENS.select} FROM tokens WHERE id = $1`, id);
  if (row === null) throw fail('not-found', `there is no token ${id}`);
  const { record, head } = toChained(TOKENS, row);
  if (record.revokedAt !== null) return record;
  const changes = { revokedAt: session.at };
  const event = { ...chainOf(id, actor), kind: 'token.revoke', data: changes };
  const update = { key: id, changes, head: appendEvent(session, event, head), guard: '', fence: null };
  if (!updateRecord(session.sql, TOKENS, update)) throw fail('internal', `token ${id} did not change`);
  return { ...record, ...changes };
}

/** Returns the token with this hash, or null. */
export function findToken(reader: Reader, sha256: string): TokenRow | null {
  const row = reader.sql.get(`SELECT ${TOKENS.select} FROM tokens WHERE sha256 = $1`, sha256);
  return row === null ? null : toRecord(TOKENS, row);
}

/** Most expired tokens one login drops: a login costs the same after a year of them. */
const MAX_DROPPED = 20;

/** Drops tokens whose time has passed; nothing of one is left on disk, so its tombstone is cleared at once. */
export function dropExpired(session: Session): void {
  const { sql, at } = session;
  const rows = sql.all(
    `SELECT ${TOKENS.select} FROM tokens WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2`,
    at,
    MAX_DROPPED,
  );
  for (const { record, head } of rows.map((row) => toChained(TOKENS, row))) {
    const end = appendEvent(session, { ...chainOf(record.id, OPERATOR), kind: 'token.remove', data: {} }, head);
    sql.run(
      'INSERT INTO tombstones (subject, head, removed_at, cleared_at) VALUES ($1, $2, $3, $3)',
      record.id,
      end,
      at,
    );
    sql.run('DELETE FROM tokens WHERE id = $1', record.id);
  }
}
