-- What was found damaged and is set aside: nothing of it is deleted. One row for each thing found in one form, so that
-- what an operator has released is not set aside again while it stays as it is.
CREATE TABLE quarantine (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  item TEXT NOT NULL,
  path TEXT NOT NULL,
  why TEXT NOT NULL,
  job_id TEXT,
  boot TEXT NOT NULL,
  found_at INTEGER NOT NULL,
  released_at INTEGER,
  released_by TEXT,
  resolution TEXT CHECK (resolution IN ('accepted', 'restored', 'recounted')),
  head TEXT NOT NULL,
  CHECK ((released_at IS NULL) = (resolution IS NULL) AND (released_at IS NULL) = (released_by IS NULL))
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX quarantine_thing ON quarantine (kind, item, why);
CREATE INDEX quarantine_open ON quarantine (id) WHERE released_at IS NULL;
CREATE INDEX quarantine_job ON quarantine (job_id) WHERE released_at IS NULL AND job_id IS NOT NULL;

-- Hash of what an ended attempt printed, over the bytes its record vouches for.
ALTER TABLE attempts ADD COLUMN output_sha256 TEXT CHECK (length(output_sha256) = 64);
ALTER TABLE attempts ADD COLUMN stderr_sha256 TEXT CHECK (length(stderr_sha256) = 64);

-- The host id this start worked under: a second copy of what the file `host` says.
ALTER TABLE boots ADD COLUMN host TEXT;
