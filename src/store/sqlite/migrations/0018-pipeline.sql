-- The pipeline: its stages, what a job must pass and where it is, results of gates and the evidence they rest on.
-- Constraints that name stages and states change only with the whole table; rows, indexes and triggers stay what they were.
CREATE TABLE jobs_rebuilt (
  number INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  repository TEXT NOT NULL,
  others TEXT CHECK (json_type(others) = 'array'),
  other_bases TEXT CHECK (json_type(other_bases) = 'array'),
  overtaken INTEGER CHECK (overtaken >= 0),
  prompt_sha256 TEXT NOT NULL REFERENCES prompts (sha256),
  packet INTEGER CHECK (packet = 1),
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
  CHECK ((pipeline = 'full') = (plan IS NOT NULL) AND (plan IS NULL) = (step IS NULL)),
  CHECK (pipeline = 'full' OR stage = 'implement'),
  -- Each state carries exactly the data valid in it. (A CASE compares; an IN list would build a table on every write.)
  CHECK (CASE state
    WHEN 'created' THEN queue_seq IS NULL AND outcome IS NULL AND finished_at IS NULL
    WHEN 'queued' THEN queue_seq IS NOT NULL AND outcome IS NULL AND finished_at IS NULL
    WHEN 'preparing' THEN queue_seq IS NOT NULL AND claimed_by IS NOT NULL AND fence >= 1 AND outcome IS NULL AND finished_at IS NULL
    WHEN 'running' THEN queue_seq IS NOT NULL AND claimed_by IS NOT NULL AND fence >= 1 AND attempts >= 1 AND started_at IS NOT NULL AND outcome IS NULL AND finished_at IS NULL
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
  other_bases, overtaken, transcript_sha256, workspace_removed_at, packet
)
SELECT
  number, id, repository, prompt_sha256, command, agent, pipeline, stage, state, outcome, epoch, frozen, priority,
  fence, attempts, on_interrupt, session_id, workspace_state, base_commit, output_bytes, cancel_requested_at, limits,
  deadline_ms, principal, lineage, reason, blocker, exit_code, exit_signal, queue_seq, created_at, queued_at,
  started_at, finished_at, claimed_by, idempotency_key, request_sha256, version, head, callbacks, others,
  other_bases, overtaken, transcript_sha256, workspace_removed_at, NULL
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
CREATE INDEX jobs_claimable ON jobs (repository, others, priority DESC, queue_seq) WHERE state = 'queued' AND frozen = 0;
-- What takes a slot of its repository (lifecycle/plan.ts) stands in a line of its own, so that it holds up nobody.
CREATE INDEX jobs_slots ON jobs (repository, stage, priority DESC, queue_seq)
  WHERE state = 'queued' AND frozen = 0 AND stage IN ('verify', 'merge');
CREATE TRIGGER job_others_add AFTER INSERT ON jobs WHEN NEW.others IS NOT NULL BEGIN
  INSERT INTO job_others (repository, number) SELECT value, NEW.number FROM json_each(NEW.others);
END;
CREATE TRIGGER job_others_remove AFTER DELETE ON jobs WHEN OLD.others IS NOT NULL BEGIN
  DELETE FROM job_others WHERE number = OLD.number AND repository IN (SELECT value FROM json_each(OLD.others));
END;

CREATE TABLE attempts_rebuilt (
  job_id TEXT NOT NULL REFERENCES jobs (id),
  number INTEGER NOT NULL CHECK (number >= 1),
  id TEXT NOT NULL UNIQUE,
  stage TEXT NOT NULL CHECK (stage IN ('implement', 'verify', 'review', 'fix', 'merge', 'handoff')),
  gate TEXT,
  task TEXT CHECK (task IN ('work', 'commit', 'fix', 'resolve', 'review')),
  epoch INTEGER NOT NULL CHECK (epoch >= 1),
  fence INTEGER NOT NULL CHECK (fence >= 1),
  state TEXT NOT NULL,
  mode TEXT NOT NULL CHECK (mode IN ('warm', 'cold')),
  session_id TEXT,
  limits TEXT NOT NULL CHECK (json_type(limits) = 'object'),
  boot TEXT NOT NULL,
  agent TEXT CHECK (json_type(agent) = 'object'),
  keeper TEXT CHECK (json_type(keeper) = 'object'),
  intended_at INTEGER NOT NULL,
  started_at INTEGER,
  ended_at INTEGER,
  verdict TEXT,
  exit_code INTEGER,
  exit_signal TEXT,
  stopped_by TEXT,
  output_bytes INTEGER NOT NULL CHECK (output_bytes >= 0),
  output_sha256 TEXT CHECK (length(output_sha256) = 64),
  stderr_sha256 TEXT CHECK (length(stderr_sha256) = 64),
  evidence_level TEXT CHECK (evidence_level IN ('cgroup', 'token')),
  note TEXT,
  version INTEGER NOT NULL,
  PRIMARY KEY (job_id, number),
  CHECK (CASE state
    WHEN 'intended' THEN ended_at IS NULL
    WHEN 'running' THEN ended_at IS NULL AND started_at IS NOT NULL
    WHEN 'finished' THEN ended_at IS NOT NULL AND verdict IS NOT NULL
    WHEN 'interrupted' THEN ended_at IS NOT NULL AND verdict IS NOT NULL
    WHEN 'never_ran' THEN ended_at IS NOT NULL AND verdict IS NOT NULL
    WHEN 'quarantined' THEN ended_at IS NOT NULL AND verdict IS NOT NULL
    ELSE 0
  END)
) STRICT, WITHOUT ROWID;
INSERT INTO attempts_rebuilt (
  job_id, number, id, stage, epoch, fence, state, mode, session_id, limits, boot, agent, keeper, intended_at,
  started_at, ended_at, verdict, exit_code, exit_signal, stopped_by, output_bytes, evidence_level, note, version,
  output_sha256, stderr_sha256
)
SELECT
  job_id, number, id, stage, epoch, fence, state, mode, session_id, limits, boot, agent, keeper, intended_at,
  started_at, ended_at, verdict, exit_code, exit_signal, stopped_by, output_bytes, evidence_level, note, version,
  output_sha256, stderr_sha256
FROM attempts;
DROP TABLE attempts;
ALTER TABLE attempts_rebuilt RENAME TO attempts;
CREATE INDEX attempts_interrupted ON attempts (job_id, ended_at) WHERE state = 'interrupted';
CREATE INDEX attempts_live ON attempts (id) WHERE state IN ('intended', 'running');

-- The ledger: one result for each gate in each epoch of a job, never changed.
CREATE TABLE gates (
  id TEXT PRIMARY KEY,
  job_id TEXT NOT NULL REFERENCES jobs (id),
  epoch INTEGER NOT NULL CHECK (epoch >= 1),
  stage TEXT NOT NULL CHECK (stage IN ('verify', 'review', 'merge')),
  gate TEXT NOT NULL,
  result TEXT NOT NULL CHECK (result IN ('PASS', 'FAIL', 'BLOCK')),
  why TEXT,
  candidate TEXT NOT NULL,
  attempt INTEGER,
  evidence TEXT NOT NULL CHECK (json_type(evidence) = 'array'),
  recorded_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX gates_job ON gates (job_id, epoch);

-- Immutable files of a job, each under its hash.
CREATE TABLE evidence (
  id TEXT PRIMARY KEY,
  job_id TEXT NOT NULL REFERENCES jobs (id),
  sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  bytes INTEGER NOT NULL CHECK (bytes >= 0),
  epoch INTEGER NOT NULL CHECK (epoch >= 1),
  attempt INTEGER,
  recorded_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX evidence_job ON evidence (job_id, sha256);

-- Reviewers, budgets and limits of gates: {reviewers, budgets, gateLimits}; null where everything is as by default.
ALTER TABLE repositories ADD COLUMN pipeline TEXT CHECK (json_type(pipeline) = 'object');
