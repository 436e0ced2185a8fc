-- Wishes of operators for a new secret of callbacks; the secret itself lies in its own file.
CREATE TABLE rotations (
  id TEXT PRIMARY KEY,
  secret_sha256 TEXT NOT NULL CHECK (length(secret_sha256) = 64),
  state TEXT NOT NULL CHECK (state IN ('intended', 'done', 'failed')),
  actor TEXT NOT NULL,
  intended_at INTEGER NOT NULL,
  ended_at INTEGER,
  head TEXT NOT NULL,
  CHECK ((state = 'intended') = (ended_at IS NULL))
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX rotations_open ON rotations (state) WHERE state = 'intended';
