-- Backups of this home, and the one it was restored from.
CREATE TABLE backups (
  id TEXT PRIMARY KEY,
  path TEXT NOT NULL,
  state TEXT NOT NULL,
  actor TEXT NOT NULL,
  intended_at INTEGER NOT NULL,
  ended_at INTEGER,
  files INTEGER CHECK (files >= 0),
  bytes INTEGER CHECK (bytes >= 0),
  last_seq INTEGER CHECK (last_seq >= 0),
  manifest_sha256 TEXT CHECK (length(manifest_sha256) = 64),
  note TEXT,
  head TEXT NOT NULL,
  CHECK (CASE state
    WHEN 'making' THEN ended_at IS NULL
    WHEN 'made' THEN ended_at IS NOT NULL AND files IS NOT NULL AND bytes IS NOT NULL AND manifest_sha256 IS NOT NULL
    WHEN 'failed' THEN ended_at IS NOT NULL AND note IS NOT NULL
    WHEN 'restored' THEN ended_at IS NOT NULL AND note IS NOT NULL
    ELSE 0
  END)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX backups_open ON backups (state) WHERE state = 'making';

CREATE INDEX backups_restored ON backups (id) WHERE state = 'restored';
