/** Accounts: who may log in. The secret lies apart from the row; the journal holds its checksum only. */
import { fail } from '../../kernel/errors.ts';
import { sha256 } from '../../kernel/hash.ts';
import type { Account, Store, TokenRow } from '../store.ts';
import { ACCOUNTS, type Chained } from './entities.ts';
import { makeId } from './ids.ts';
import { GENESIS, appendEvent } from './journal.ts';
import { insertRecord, toChained, toRecord, updateRecord, withoutNulls } from './records.ts';
import { findRepeated } from './requests.ts';
import type { Reader, Session } from './session.ts';
import type { Sql } from './sql.ts';
import { dropExpired, insertToken, revokeToken } from './tokens.ts';

/** Returns all accounts, oldest first, revoked ones too. */
export function listAccounts(reader: Reader): Account[] {
  return reader.sql.all(`SELECT ${ACCOUNTS.select} FROM accounts ORDER BY id`).map((row) => toRecord(ACCOUNTS, row));
}

/** Returns the account that may log in under this name, with its secret, or null. */
export function findAccount(reader: Reader, name: string): { account: Account; secret: string } | null {
  const { sql } = reader;
  const row = sql.get(`SELECT ${ACCOUNTS.select} FROM accounts WHERE name = $1 AND revoked_at IS NULL`, name);
  if (row === null) return null;
  const account = toRecord(ACCOUNTS, row);
  const secret = readSecret(sql, account.id);
  // A secret that is not the one that was stored lets nobody in, whoever put it there.
  return secret === null || sha256(secret) !== account.secretSha256 ? null : { account, secret };
}

/** Adds an account, or returns the one an earlier request with the same key made; throws `already-exists`. */
export function addAccount(session: Session, ...[input]: Parameters<Store['addAccount']>): Account {
  const { name, secret, actor, request = null } = input;
  const describe = (known: Account): string => `account "${known.name}"`;
  const first = findRepeated(session, ACCOUNTS, { request, name: describe });
  if (first !== null) return first;
  if (session.sql.get('SELECT 1 FROM accounts WHERE name = $1 AND revoked_at IS NULL', name) !== null) {
    throw fail('already-exists', `there is an account "${name}" already`);
  }
  const id = makeId('acc', session.at);
  const account: Account = { id, name, secretSha256: sha256(secret), createdAt: session.at, revokedAt: null, request };
  const event = { actor, kind: 'account.add', subject: id, jobId: null, attemptId: null, data: withoutNulls(account) };
  insertRecord(session.sql, ACCOUNTS, { record: account, head: appendEvent(session, event, GENESIS) });
  session.sql.run('INSERT INTO account_secrets (account_id, secret) VALUES ($1, $2)', id, secret);
  return account;
}

/** Revokes an account, ends its logins and forgets its secret; throws `not-found`. */
export function revokeAccount(session: Session, id: string, actor: string): Account {
  const { record, head } = readAccount(session, id);
  if (record.revokedAt !== null) return record;
  const changes = { revokedAt: session.at };
  const event = { actor, kind: 'account.revoke', subject: id, jobId: null, attemptId: null, data: changes };
  const update = { key: id, changes, head: appendEvent(session, event, head), guard: '', fence: null };
  if (!updateRecord(session.sql, ACCOUNTS, update)) throw fail('internal', `account ${id} did not change`);
  const logins = session.sql.all('SELECT id FROM tokens WHERE account_id = $1 AND revoked_at IS NULL', id);
  for (const login of logins) revokeToken(session, String(login['id']), actor);
  session.sql.run('DELETE FROM account_secrets WHERE account_id = $1', id);
  return { ...record, ...changes };
}

/** Adds the token of a login; throws `unauthorised` when the account was revoked meanwhile. */
export function addLogin(session: Session, ...[login]: Parameters<Store['addLogin']>): TokenRow {
  const { record } = readAccount(session, login.accountId);
  if (record.revokedAt !== null) throw fail('unauthorised', 'the account was revoked');
  dropExpired(session);
  return insertToken(session, { ...login, name: record.name, request: null });
}

function readAccount(session: Session, id: string): Chained<Account> {
  const row = session.sql.get(`SELECT ${ACCOUNTS.select} FROM accounts WHERE id = $1`, id);
  if (row === null) throw fail('not-found', `there is no account ${id}`);
  return toChained(ACCOUNTS, row);
}

function readSecret(sql: Sql, id: string): string | null {
  const secret = sql.get('SELECT secret FROM account_secrets WHERE account_id = $1', id)?.['secret'];
  return typeof secret === 'string' ? secret : null;
}

/** Returns what is wrong with the secret of an account, in words: the one thing of it no event holds. */
export function verifySecret(sql: Sql, id: string): string[] {
  const row = sql.get('SELECT secret_sha256, revoked_at FROM accounts WHERE id = $1', id);
  const secret = readSecret(sql, id);
  if (row === null || row['revoked_at'] !== null) return secret === null ? [] : ['its secret outlived it'];
  if (secret === null) return ['its secret is missing'];
  return sha256(secret) === row['secret_sha256'] ? [] : ['its secret does not match its checksum'];
}
