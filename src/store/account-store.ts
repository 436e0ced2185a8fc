/** The part of the store contract that is about who may call: bearer tokens, and the accounts that get one by logging in. */
import type { CreationRequest } from '../lifecycle/repository.ts';

export interface TokenRow {
  id: string;
  name: string;
  sha256: string;
  createdAt: number;
  revokedAt: number | null;
  /** Account whose login made it; null for a token made by hand. */
  accountId: string | null;
  /** When it stops to count; null for one that does not. */
  expiresAt: number | null;
  /** The request that made it; null for one without a key, or of a login. */
  request: CreationRequest | null;
}

/** A person or program that logs in with a name and a password. */
export interface Account {
  id: string;
  name: string;
  /** Of the password's salted hash, which nothing but `findAccount` gives away. */
  secretSha256: string;
  createdAt: number;
  revokedAt: number | null;
  /** The request that made it; null for one without a key. Its hash covers no password. */
  request: CreationRequest | null;
}

export interface AccountStore {
  // tokens
  /** Throws `already-exists`; `token-shown` for a repeated request, `idempotency-conflict` for another under its key. */
  addToken(token: {
    name: string;
    sha256: string;
    actor?: string;
    request?: CreationRequest | null;
  }): Promise<TokenRow>;
  listTokens(): Promise<TokenRow[]>;
  revokeToken(id: string, actor?: string): Promise<TokenRow>;
  /** By the hash of the token, whether or not it still counts; null when there is none. */
  findToken(sha256: string): Promise<TokenRow | null>;

  // accounts
  /**
   * Throws `already-exists` while an account of this name is not revoked. A repeated request gives the first account,
   * whose secret is another then: the caller compares the passwords. Throws `idempotency-conflict` for another request.
   */
  addAccount(account: {
    name: string;
    secret: string;
    actor: string;
    request?: CreationRequest | null;
  }): Promise<Account>;
  /** All of them, oldest first, revoked ones too. */
  listAccounts(): Promise<Account[]>;
  /** The account that may log in under this name, with its secret; null when there is none. */
  findAccount(name: string): Promise<{ account: Account; secret: string } | null>;
  /** Revokes it with all its tokens and forgets its secret; a revoked one keeps its time. Throws `not-found`. */
  revokeAccount(id: string, actor: string): Promise<Account>;
  /** Adds the token of a login and drops tokens that have expired. Throws `unauthorised` for a revoked account. */
  addLogin(login: { accountId: string; sha256: string; expiresAt: number }): Promise<TokenRow>;
}
