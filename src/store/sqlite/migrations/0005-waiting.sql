-- Jobs of several repositories: beside `repository` (the first) the further ones, the commits their workspaces were made
-- from, and how often a later job took a place one of them waited for. Null for a job of one repository.
ALTER TABLE jobs ADD COLUMN others TEXT CHECK (json_type(others) = 'array');
ALTER TABLE jobs ADD COLUMN other_bases TEXT CHECK (json_type(other_bases) = 'array');
ALTER TABLE jobs ADD COLUMN overtaken INTEGER CHECK (overtaken >= 0);

-- Jobs that need the same repositories wait in one line; the claim reads the heads of the lines.
DROP INDEX jobs_claimable;
CREATE INDEX jobs_claimable ON jobs (repository, others, priority DESC, queue_seq) WHERE state = 'queued' AND frozen = 0;

-- An index by hand of `others`, so that a repository's jobs are listed without reading those of all repositories.
CREATE TABLE job_others (
  repository TEXT NOT NULL,
  number INTEGER NOT NULL,
  PRIMARY KEY (repository, number)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER job_others_add AFTER INSERT ON jobs WHEN NEW.others IS NOT NULL BEGIN
  INSERT INTO job_others (repository, number) SELECT value, NEW.number FROM json_each(NEW.others);
END;
CREATE TRIGGER job_others_remove AFTER DELETE ON jobs WHEN OLD.others IS NOT NULL BEGIN
  DELETE FROM job_others WHERE number = OLD.number AND repository IN (SELECT value FROM json_each(OLD.others));
END;

-- The source does not answer: why, how often in a row, and when it is asked again.
ALTER TABLE repositories ADD COLUMN trouble TEXT CHECK (json_type(trouble) = 'object');

-- One fetch that went well and the jobs it serves: those whose place in the queue is at most `through`, the last place
-- given out when it began. It belongs to the job that fetched, and goes with it.
CREATE TABLE batches (
  id TEXT PRIMARY KEY,
  repository_id TEXT NOT NULL,
  job_id TEXT REFERENCES jobs (id) ON DELETE CASCADE,
  through INTEGER NOT NULL CHECK (through >= 0),
  fetched_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX batches_newest ON batches (repository_id, through);
CREATE INDEX batches_job ON batches (job_id) WHERE job_id IS NOT NULL;
