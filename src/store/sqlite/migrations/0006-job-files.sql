-- Files sent for a job before it starts. The bytes lie in its staging directory, under their hash and name.
CREATE TABLE job_files (
  id TEXT PRIMARY KEY,
  job_id TEXT NOT NULL REFERENCES jobs (id),
  name TEXT NOT NULL,
  sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
  size INTEGER NOT NULL CHECK (size >= 0),
  overwrite INTEGER NOT NULL CHECK (overwrite IN (0, 1)),
  uploaded_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX job_files_job ON job_files (job_id, name);
