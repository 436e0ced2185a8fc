-- People who log in with a password. A name is free again once its account is revoked.
CREATE TABLE accounts (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  secret_sha256 TEXT NOT NULL CHECK (length(secret_sha256) = 64),
  created_at INTEGER NOT NULL,
  revoked_at INTEGER,
  head TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX accounts_name ON accounts (name) WHERE revoked_at IS NULL;

-- The password's salted hash, apart from the row: the journal and every list know its checksum only, and it goes with
-- the account.
CREATE TABLE account_secrets (
  account_id TEXT PRIMARY KEY REFERENCES accounts (id),
  secret TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- A login gives a token of its account that ends by itself.
ALTER TABLE tokens ADD COLUMN account_id TEXT REFERENCES accounts (id);
ALTER TABLE tokens ADD COLUMN expires_at INTEGER;
CREATE INDEX tokens_account ON tokens (account_id) WHERE account_id IS NOT NULL;
CREATE INDEX tokens_expiry ON tokens (expires_at) WHERE expires_at IS NOT NULL;
