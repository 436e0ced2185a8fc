-- What jobs made outside of Holdfast; see lifecycle/resource.ts.
CREATE TABLE resources (
  id TEXT PRIMARY KEY,
  job_id TEXT NOT NULL REFERENCES jobs (id),
  kind TEXT NOT NULL CHECK (kind IN ('container', 'network', 'process', 'path')),
  target TEXT NOT NULL,
  facts TEXT NOT NULL CHECK (json_type(facts) = 'object'),
  identity TEXT NOT NULL,
  state TEXT NOT NULL,
  tries INTEGER NOT NULL CHECK (tries >= 0),
  note TEXT,
  principal TEXT NOT NULL,
  registered_at INTEGER NOT NULL,
  removing_at INTEGER,
  removed_at INTEGER,
  version INTEGER NOT NULL,
  CHECK (CASE state
    WHEN 'registered' THEN tries = 0 AND removing_at IS NULL AND removed_at IS NULL
    WHEN 'removing' THEN tries >= 1 AND removing_at IS NOT NULL AND removed_at IS NULL
    WHEN 'failed' THEN tries >= 1 AND removing_at IS NOT NULL AND removed_at IS NULL AND note IS NOT NULL
    WHEN 'removed' THEN removed_at IS NOT NULL
    ELSE 0
  END)
) STRICT, WITHOUT ROWID;
CREATE INDEX resources_job ON resources (job_id, id);
CREATE INDEX resources_open ON resources (id) WHERE removed_at IS NULL;
-- Two jobs cannot answer for one thing: the end of the first would take it from the second.
CREATE UNIQUE INDEX resources_identity ON resources (kind, identity) WHERE removed_at IS NULL;
