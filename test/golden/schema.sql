CREATE TRIGGER job_after_add AFTER INSERT ON jobs WHEN NEW.after IS NOT NULL BEGIN
  INSERT INTO job_after (dependency, number) SELECT value, NEW.number FROM json_each(NEW.after);
END;

CREATE TRIGGER job_after_remove AFTER DELETE ON jobs WHEN OLD.after IS NOT NULL BEGIN
  DELETE FROM job_after WHERE number = OLD.number AND dependency IN (SELECT value FROM json_each(OLD.after));
END;

CREATE TRIGGER job_others_add AFTER INSERT ON jobs WHEN NEW.others IS NOT NULL BEGIN
  INSERT INTO job_others (repository, number) SELECT value, NEW.number FROM json_each(NEW.others);
END;

CREATE TRIGGER job_others_remove AFTER DELETE ON jobs WHEN OLD.others IS NOT NULL BEGIN
  DELETE FROM job_others WHERE number = OLD.number AND repository IN (SELECT value FROM json_each(OLD.others));
END;

CREATE TABLE account_secrets (
  account_id TEXT PRIMARY KEY REFERENCES accounts (id),
  secret TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE accounts (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  secret_sha256 TEXT NOT NULL CHECK (length(secret_sha256) = 64),
  created_at INTEGER NOT NULL,
  revoked_at INTEGER,
  head TEXT NOT NULL
, request TEXT CHECK (request IS NULL OR json_type(request) = 'object')) STRICT, WITHOUT ROWID;

CREATE TABLE "attempts" (
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
  version INTEGER NOT NULL, model TEXT,
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
  head TEXT NOT NULL, request TEXT CHECK (request IS NULL OR json_type(request) = 'object'),
  CHECK (CASE state
    WHEN 'making' THEN ended_at IS NULL
    WHEN 'made' THEN ended_at IS NOT NULL AND files IS NOT NULL AND bytes IS NOT NULL AND manifest_sha256 IS NOT NULL
    WHEN 'failed' THEN ended_at IS NOT NULL AND note IS NOT NULL
    WHEN 'restored' THEN ended_at IS NOT NULL AND note IS NOT NULL
    ELSE 0
  END)
) STRICT, WITHOUT ROWID;

CREATE TABLE batches (
  id TEXT PRIMARY KEY,
  repository_id TEXT NOT NULL,
  job_id TEXT REFERENCES jobs (id) ON DELETE CASCADE,
  through INTEGER NOT NULL CHECK (through >= 0),
  fetched_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE boots (
  number INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  previous_id TEXT,
  host_boot TEXT NOT NULL,
  pid INTEGER NOT NULL,
  started_at INTEGER NOT NULL,
  ready_at INTEGER,
  stopped_at INTEGER,
  previous_stop TEXT NOT NULL CHECK (previous_stop IN ('clean', 'crash', 'reboot', 'unknown')),
  report TEXT CHECK (json_type(report) = 'object'),
  head TEXT NOT NULL
, host TEXT) STRICT;

CREATE TABLE callback_targets (
  id TEXT PRIMARY KEY,
  url TEXT NOT NULL UNIQUE,
  disabled_at INTEGER,
  delivery_id TEXT NOT NULL,
  version INTEGER NOT NULL,
  head TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE counters (
  name TEXT PRIMARY KEY,
  value INTEGER NOT NULL CHECK (value >= 0)
) STRICT, WITHOUT ROWID;

CREATE TABLE deliveries (
  number INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  job_id TEXT REFERENCES jobs (id),
  type TEXT NOT NULL,
  url TEXT NOT NULL,
  host TEXT NOT NULL,
  body TEXT NOT NULL,
  state TEXT NOT NULL,
  tries INTEGER NOT NULL CHECK (tries >= 0),
  round_tries INTEGER NOT NULL CHECK (round_tries >= 0),
  redeliveries INTEGER NOT NULL CHECK (redeliveries >= 0),
  next_at INTEGER,
  last_status INTEGER,
  last_error TEXT,
  created_at INTEGER NOT NULL,
  finished_at INTEGER,
  version INTEGER NOT NULL,
  -- Null where the chain is that of the job.
  head TEXT,
  CHECK ((job_id IS NULL) = (head IS NOT NULL)),
  CHECK (CASE state
    WHEN 'pending' THEN finished_at IS NULL
    WHEN 'sending' THEN finished_at IS NULL AND next_at IS NULL AND tries >= 1 AND round_tries >= 1
    WHEN 'sent' THEN finished_at IS NOT NULL AND next_at IS NULL AND last_status IS NOT NULL
    WHEN 'retrying' THEN finished_at IS NULL AND next_at IS NOT NULL AND tries >= 1
    WHEN 'failed' THEN finished_at IS NOT NULL AND next_at IS NULL AND last_error IS NOT NULL
    ELSE 0
  END)
) STRICT;

CREATE TABLE events (
  seq INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  actor TEXT NOT NULL,
  kind TEXT NOT NULL,
  subject TEXT NOT NULL,
  job_id TEXT,
  attempt_id TEXT,
  data TEXT NOT NULL,
  prev_hash TEXT NOT NULL,
  hash TEXT NOT NULL
) STRICT;

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
, summary TEXT CHECK (json_type(summary) = 'object')) STRICT, WITHOUT ROWID;

CREATE TABLE job_after (
  dependency TEXT NOT NULL,
  number INTEGER NOT NULL,
  PRIMARY KEY (dependency, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE job_files (
  id TEXT PRIMARY KEY,
  job_id TEXT NOT NULL REFERENCES jobs (id),
  name TEXT NOT NULL,
  sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
  size INTEGER NOT NULL CHECK (size >= 0),
  overwrite INTEGER NOT NULL CHECK (overwrite IN (0, 1)),
  uploaded_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE job_others (
  repository TEXT NOT NULL,
  number INTEGER NOT NULL,
  PRIMARY KEY (repository, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE "jobs" (
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

CREATE TABLE locks (
  key TEXT PRIMARY KEY,
  boot TEXT NOT NULL,
  holder TEXT NOT NULL CHECK (json_type(holder) = 'object'),
  operation TEXT NOT NULL,
  job_id TEXT REFERENCES jobs (id),
  acquired_at INTEGER NOT NULL,
  fence INTEGER NOT NULL CHECK (fence >= 1)
) STRICT, WITHOUT ROWID;

CREATE TABLE migrations (
  number INTEGER PRIMARY KEY,
  name TEXT NOT NULL) STRICT;

CREATE TABLE prompts (
  sha256 TEXT PRIMARY KEY CHECK (length(sha256) = 64),
  body TEXT NOT NULL
) STRICT;

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

CREATE TABLE refusals (
  id TEXT PRIMARY KEY,
  job_id TEXT NOT NULL REFERENCES jobs (id),
  word TEXT NOT NULL CHECK (word IN ('late', 'duplicate', 'conflict', 'unauthorised')),
  result TEXT NOT NULL,
  epoch INTEGER NOT NULL CHECK (epoch >= 1),
  fence INTEGER,
  attempt INTEGER,
  gate TEXT,
  why TEXT NOT NULL,
  recorded_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

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

CREATE TABLE repositories (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  source TEXT NOT NULL,
  source_kind TEXT NOT NULL CHECK (source_kind IN ('path', 'url')),
  base TEXT NOT NULL,
  verify TEXT NOT NULL CHECK (json_type(verify) = 'array'),
  merge INTEGER NOT NULL CHECK (merge IN (0, 1)),
  trusted INTEGER NOT NULL CHECK (trusted IN (0, 1)),
  concurrency INTEGER NOT NULL CHECK (concurrency >= 1),
  command TEXT CHECK (json_type(command) = 'array'),
  clone_state TEXT NOT NULL CHECK (clone_state IN ('registered', 'cloning', 'ready', 'failed')),
  unavailable TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  version INTEGER NOT NULL,
  head TEXT NOT NULL
, trouble TEXT CHECK (json_type(trouble) = 'object'), request TEXT CHECK (request IS NULL OR json_type(request) = 'object'), pipeline TEXT CHECK (json_type(pipeline) = 'object'), push TEXT) STRICT, WITHOUT ROWID;

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
  version INTEGER NOT NULL, request TEXT CHECK (request IS NULL OR json_type(request) = 'object'),
  CHECK (CASE state
    WHEN 'registered' THEN tries = 0 AND removing_at IS NULL AND removed_at IS NULL
    WHEN 'removing' THEN tries >= 1 AND removing_at IS NOT NULL AND removed_at IS NULL
    WHEN 'failed' THEN tries >= 1 AND removing_at IS NOT NULL AND removed_at IS NULL AND note IS NOT NULL
    WHEN 'removed' THEN removed_at IS NOT NULL
    ELSE 0
  END)
) STRICT, WITHOUT ROWID;

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

CREATE TABLE tokens (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  sha256 TEXT NOT NULL UNIQUE CHECK (length(sha256) = 64),
  created_at INTEGER NOT NULL,
  revoked_at INTEGER,
  head TEXT NOT NULL
, account_id TEXT REFERENCES accounts (id), expires_at INTEGER, request TEXT CHECK (request IS NULL OR json_type(request) = 'object')) STRICT, WITHOUT ROWID;

CREATE TABLE tombstones (
  subject TEXT PRIMARY KEY,
  head TEXT NOT NULL,
  removed_at INTEGER NOT NULL
, cleared_at INTEGER, number INTEGER, repositories TEXT CHECK (json_type(repositories) = 'array'), cut_head TEXT, first_seq INTEGER, last_seq INTEGER) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX accounts_name ON accounts (name) WHERE revoked_at IS NULL;

CREATE UNIQUE INDEX accounts_request ON accounts (request ->> 'principal', request ->> 'key') WHERE request IS NOT NULL;

CREATE INDEX attempts_interrupted ON attempts (job_id, ended_at) WHERE state = 'interrupted';

CREATE INDEX attempts_live ON attempts (id) WHERE state IN ('intended', 'running');

CREATE UNIQUE INDEX backups_open ON backups (state) WHERE state = 'making';

CREATE UNIQUE INDEX backups_request ON backups (request ->> 'principal', request ->> 'key') WHERE request IS NOT NULL;

CREATE INDEX backups_restored ON backups (id) WHERE state = 'restored';

CREATE INDEX batches_job ON batches (job_id) WHERE job_id IS NOT NULL;

CREATE INDEX batches_newest ON batches (repository_id, through);

CREATE INDEX deliveries_due ON deliveries (next_at) WHERE next_at IS NOT NULL;

CREATE INDEX deliveries_failed ON deliveries (number) WHERE state = 'failed';

CREATE INDEX deliveries_host ON deliveries (host, next_at, number) WHERE next_at IS NOT NULL;

CREATE INDEX deliveries_job ON deliveries (job_id, number);

CREATE INDEX deliveries_lane ON deliveries (url, job_id, number) WHERE finished_at IS NULL;

CREATE INDEX deliveries_open ON deliveries (number) WHERE finished_at IS NULL;

CREATE INDEX deliveries_sending ON deliveries (number) WHERE state = 'sending';

CREATE INDEX deliveries_sent ON deliveries (number) WHERE state = 'sent';

CREATE INDEX events_subject ON events (subject, seq);

CREATE INDEX evidence_job ON evidence (job_id, sha256);

CREATE INDEX gates_job ON gates (job_id, epoch);

CREATE UNIQUE INDEX job_files_job ON job_files (job_id, name);

CREATE INDEX jobs_active ON jobs (number) WHERE state IN ('preparing', 'running');

CREATE INDEX jobs_claimable ON jobs (repository, others, priority DESC, queue_seq)
  WHERE state = 'queued' AND frozen = 0 AND (surface IS NULL OR started_at IS NOT NULL) AND stage NOT IN ('verify', 'merge');

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

CREATE INDEX jobs_slots ON jobs (repository, stage, priority DESC, queue_seq)
  WHERE state = 'queued' AND frozen = 0 AND stage IN ('verify', 'merge');

CREATE INDEX jobs_surface_held ON jobs (repository, number)
  WHERE surface IS NOT NULL AND (state IN ('preparing', 'running') OR (state IN ('queued', 'quarantined') AND started_at IS NOT NULL));

CREATE INDEX jobs_surface_line ON jobs (repository, others, priority DESC, queue_seq)
  WHERE state = 'queued' AND frozen = 0 AND surface IS NOT NULL AND started_at IS NULL;

CREATE INDEX jobs_workspaces ON jobs (finished_at) WHERE finished_at IS NOT NULL AND workspace_state <> 'none';

CREATE INDEX quarantine_job ON quarantine (job_id) WHERE released_at IS NULL AND job_id IS NOT NULL;

CREATE INDEX quarantine_open ON quarantine (id) WHERE released_at IS NULL;

CREATE UNIQUE INDEX quarantine_thing ON quarantine (kind, item, why);

CREATE INDEX refusals_job ON refusals (job_id, id);

CREATE UNIQUE INDEX repairs_open ON repairs (orphan_id) WHERE ended_at IS NULL;

CREATE UNIQUE INDEX repositories_request ON repositories (request ->> 'principal', request ->> 'key') WHERE request IS NOT NULL;

CREATE UNIQUE INDEX resources_identity ON resources (kind, identity) WHERE removed_at IS NULL;

CREATE INDEX resources_job ON resources (job_id, id);

CREATE INDEX resources_open ON resources (id) WHERE removed_at IS NULL;

CREATE UNIQUE INDEX resources_request ON resources (request ->> 'principal', request ->> 'key') WHERE request IS NOT NULL;

CREATE UNIQUE INDEX rotations_open ON rotations (state) WHERE state = 'intended';

CREATE INDEX targets_disabled ON callback_targets (id) WHERE disabled_at IS NOT NULL;

CREATE INDEX tokens_account ON tokens (account_id) WHERE account_id IS NOT NULL;

CREATE INDEX tokens_expiry ON tokens (expires_at) WHERE expires_at IS NOT NULL;

CREATE UNIQUE INDEX tokens_request ON tokens (request ->> 'principal', request ->> 'key') WHERE request IS NOT NULL;

CREATE UNIQUE INDEX tombstones_number ON tombstones (number) WHERE number IS NOT NULL;

CREATE INDEX tombstones_uncleared ON tombstones (subject) WHERE cleared_at IS NULL;
