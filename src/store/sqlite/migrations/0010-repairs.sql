-- What was done about orphans, each on its own chain; see lifecycle/orphan.ts.
CREATE TABLE repairs (
  id TEXT PRIMARY KEY,
  orphan_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  target TEXT NOT NULL,
  action TEXT NOT NULL,
  state TEXT NOT NULL,
  note TEXT,
  actor TEXT NOT NULL,
  intended_at INTEGER NOT NULL,
  ended_at INTEGER,
  head TEXT NOT NULL,
  CHECK (CASE state
    WHEN 'intended' THEN ended_at IS NULL
    WHEN 'done' THEN ended_at IS NOT NULL
    WHEN 'failed' THEN ended_at IS NOT NULL AND note IS NOT NULL
    ELSE 0
  END)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX repairs_open ON repairs (orphan_id) WHERE ended_at IS NULL;
