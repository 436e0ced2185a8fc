-- Jobs that come after others: a state of its own, which stands in no line. Constraints that name states change only with
-- the whole table; rows, indexes and triggers stay what they were, but for `jobs_claimable`.
CREATE TABLE jobs_rebuilt (
  number INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  repository TEXT NOT NULL,
  others TEXT CHECK (json_type(others) = 'array'),
  other_bases TEXT CHECK (json_type(other_bases) = 'array'),
  after TEXT CHECK (json_type(after) = 'array'),
  awaits TEXT CHECK (json_type(awaits) = 'array'),
  overtaken INTEGER CHECK (overtaken >= 0),
  prompt_sha256 TEXT NOT NULL REFERENCES prompts (sha256),
  packet INTEGER CHECK (packet = 1),
  surface TEXT CHECK (json_type(surface) = 'array'),
  command TEXT CHECK (json_type(command) = 'array'),
  agent TEXT NOT NULL,
  pipeline TEXT NOT NULL CHECK (pipeline IN ('implement', 'full')),
  stage TEXT NOT NULL CHECK (stage IN ('implement', 'verify', 'review', 'fix', 'merge', 'handoff')),
  plan TEXT CHECK (json_type(plan) = 'object'),
  step TEXT CHECK (json_type(step) = 'object'),
  state TEXT NOT NULL,
  outcome TEXT,
  epoch INTEGER NOT NULL CHECK (epoch >= 1),
  frozen INTEGER NOT NULL CHECK (frozen IN (0, 1)),
  priority INTEGER NOT NULL,
  fence INTEGER NOT NULL CHECK (fence >= 0),
  attempts INTEGER NOT NULL CHECK (attempts >= 0),
  on_interrupt TEXT NOT NULL CHECK (on_interrupt IN ('continue', 'ask')),
  session_id TEXT,
  workspace_state TEXT NOT NULL CHECK (workspace_state IN ('none', 'preparing', 'ready')),
  workspace_removed_at INTEGER,
  base_commit TEXT,
  transcript_sha256 TEXT CHECK (length(transcript_sha256) = 64),
  output_bytes INTEGER NOT NULL CHECK (output_bytes >= 0),
  cancel_requested_at INTEGER,
  limits TEXT NOT NULL CHECK (json_type(limits) = 'object'),
  deadline_ms INTEGER,
  principal TEXT NOT NULL,
  lineage TEXT NOT NULL,
  reason TEXT,
  blocker TEXT,
  exit_code INTEGER,
  exit_signal TEXT,
  queue_seq INTEGER,
  created_at INTEGER NOT NULL,
  queued_at INTEGER,
  started_at INTEGER,
  finished_at INTEGER,
  claimed_by TEXT,
  callbacks TEXT CHECK (json_type(callbacks) = 'array'),
  idempotency_key TEXT,
  request_sha256 TEXT,
  version INTEGER NOT NULL,
  head TEXT NOT NULL,
  CHECK ((queue_seq IS NULL) = (queued_at IS NULL)),
  CHECK (awaits IS NULL OR after IS NOT NULL),
  CHECK ((pipeline = 'full') = (plan IS NOT NULL) AND (plan IS NULL) = (step IS NULL)),
  CHECK (pipeline = 'full' OR stage = 'implement'),
  -- Each state carries exactly the data valid in it. (A CASE compares; an IN list would build a table on every write.)
  CHECK (CASE state
    WHEN 'created' THEN queue_seq IS NULL AND outcome IS NULL AND finished_at IS NULL
    WHEN 'waiting' THEN awaits IS NOT NULL AND queue_seq IS NULL AND outcome IS NULL AND finished_at IS NULL
    WHEN 'queued' THEN queue_seq IS NOT NULL AND awaits IS NULL AND outcome IS NULL AND finished_at IS NULL
    WHEN 'preparing' THEN queue_seq IS NOT NULL AND awaits IS NULL AND claimed_by IS NOT NULL AND fence >= 1 AND outcome IS NULL AND finished_at IS NULL
    WHEN 'running' THEN queue_seq IS NOT NULL AND awaits IS NULL AND claimed_by IS NOT NULL AND fence >= 1 AND attempts >= 1 AND started_at IS NOT NULL AND outcome IS NULL AND finished_at IS NULL
    WHEN 'blocked' THEN reason IS NOT NULL AND blocker IS NOT NULL AND outcome IS NULL AND finished_at IS NULL
    WHEN 'quarantined' THEN reason IS NOT NULL AND blocker IS NOT NULL AND outcome IS NULL AND finished_at IS NULL
    WHEN 'ready' THEN outcome IS 'success' AND finished_at IS NOT NULL AND pipeline IS 'full'
    WHEN 'completed' THEN outcome IS 'success' AND finished_at IS NOT NULL
    WHEN 'failed' THEN outcome IS 'failure' AND finished_at IS NOT NULL
    WHEN 'cancelled' THEN outcome IS 'cancelled' AND finished_at IS NOT NULL
    WHEN 'timed_out' THEN outcome IS 'timed_out' AND finished_at IS NOT NULL
    ELSE 0
  END),
  CHECK ((idempotency_key IS NULL) = (request_sha256 IS NULL))
) STRICT;
INSERT INTO jobs_rebuilt (
  number, id, repository, prompt_sha256, command, agent, pipeline, stage, state, outcome, epoch, frozen, priority,
  fence, attempts, on_interrupt, session_id, workspace_state, base_commit, output_bytes, cancel_requested_at, limits,
  deadline_ms, principal, lineage, reason, blocker, exit_code, exit_signal, queue_seq, created_at, queued_at,
  started_at, finished_at, claimed_by, idempotency_key, request_sha256, version, head, callbacks, others,
  other_bases, overtaken, transcript_sha256, workspace_removed_at, packet, plan, step, surface, after, awaits
)
SELECT
  number, id, repository, prompt_sha256, command, agent, pipeline, stage, state, outcome, epoch, frozen, priority,
  fence, attempts, on_interrupt, session_id, workspace_state, base_commit, output_bytes, cancel_requested_at, limits,
  deadline_ms, principal, lineage, reason, blocker, exit_code, exit_signal, queue_seq, created_at, queued_at,
  started_at, finished_at, claimed_by, idempotency_key, request_sha256, version, head, callbacks, others,
  other_bases, overtaken, transcript_sha256, workspace_removed_at, packet, plan, step, surface, NULL, NULL
FROM jobs;
DROP TABLE jobs;
ALTER TABLE jobs_rebuilt RENAME TO jobs;
CREATE INDEX jobs_active ON jobs (number) WHERE state IN ('preparing', 'running');
CREATE INDEX jobs_ended ON jobs (state, number) WHERE finished_at IS NOT NULL;
CREATE INDEX jobs_finished ON jobs (finished_at) WHERE finished_at IS NOT NULL;
CREATE UNIQUE INDEX jobs_idempotency ON jobs (principal, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX jobs_lineage ON jobs (lineage) WHERE lineage <> id;
CREATE INDEX jobs_live ON jobs (number) WHERE finished_at IS NULL;
CREATE INDEX jobs_prompt ON jobs (prompt_sha256);
CREATE INDEX jobs_queue ON jobs (priority DESC, queue_seq) WHERE state = 'queued';
CREATE INDEX jobs_repository ON jobs (repository, number);
CREATE INDEX jobs_repository_ended ON jobs (repository, state, number) WHERE finished_at IS NOT NULL;
CREATE INDEX jobs_retiring ON jobs (number)
  WHERE workspace_removed_at IS NOT NULL AND workspace_state = 'preparing' AND finished_at IS NOT NULL;
CREATE INDEX jobs_workspaces ON jobs (finished_at) WHERE finished_at IS NOT NULL AND workspace_state <> 'none';
-- The next three together hold every queued job that is not frozen; what stands at a slot or waits for its surface is in a
-- line of its own, so that a claim does not pass over it.
CREATE INDEX jobs_claimable ON jobs (repository, others, priority DESC, queue_seq)
  WHERE state = 'queued' AND frozen = 0 AND (surface IS NULL OR started_at IS NOT NULL) AND stage NOT IN ('verify', 'merge');
CREATE INDEX jobs_slots ON jobs (repository, stage, priority DESC, queue_seq)
  WHERE state = 'queued' AND frozen = 0 AND stage IN ('verify', 'merge');
CREATE INDEX jobs_surface_line ON jobs (repository, others, priority DESC, queue_seq)
  WHERE state = 'queued' AND frozen = 0 AND surface IS NOT NULL AND started_at IS NULL;
CREATE INDEX jobs_surface_held ON jobs (repository, number)
  WHERE surface IS NOT NULL AND (state IN ('preparing', 'running') OR (state IN ('queued', 'quarantined') AND started_at IS NOT NULL));
CREATE TRIGGER job_others_add AFTER INSERT ON jobs WHEN NEW.others IS NOT NULL BEGIN
  INSERT INTO job_others (repository, number) SELECT value, NEW.number FROM json_each(NEW.others);
END;
CREATE TRIGGER job_others_remove AFTER DELETE ON jobs WHEN OLD.others IS NOT NULL BEGIN
  DELETE FROM job_others WHERE number = OLD.number AND repository IN (SELECT value FROM json_each(OLD.others));
END;

-- Which jobs come after which, by hand: the end of a job has to find them at once. It never changes, as `after` does not.
CREATE TABLE job_after (
  dependency TEXT NOT NULL,
  number INTEGER NOT NULL,
  PRIMARY KEY (dependency, number)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER job_after_add AFTER INSERT ON jobs WHEN NEW.after IS NOT NULL BEGIN
  INSERT INTO job_after (dependency, number) SELECT value, NEW.number FROM json_each(NEW.after);
END;
CREATE TRIGGER job_after_remove AFTER DELETE ON jobs WHEN OLD.after IS NOT NULL BEGIN
  DELETE FROM job_after WHERE number = OLD.number AND dependency IN (SELECT value FROM json_each(OLD.after));
END;
