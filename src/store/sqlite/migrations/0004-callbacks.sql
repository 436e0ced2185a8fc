-- Callbacks: who a job wants to be told, and the outbox. A delivery is made in the transaction of the event it tells of.
ALTER TABLE jobs ADD COLUMN callbacks TEXT CHECK (json_type(callbacks) = 'array');

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
-- What is unfinished has indexes of its own: a start and a wake-up never look at what was told long ago.
CREATE INDEX deliveries_due ON deliveries (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX deliveries_host ON deliveries (host, next_at, number) WHERE next_at IS NOT NULL;
CREATE INDEX deliveries_open ON deliveries (number) WHERE finished_at IS NULL;
CREATE INDEX deliveries_sending ON deliveries (number) WHERE state = 'sending';
CREATE INDEX deliveries_lane ON deliveries (url, job_id, number) WHERE finished_at IS NULL;
CREATE INDEX deliveries_job ON deliveries (job_id, number);
CREATE INDEX deliveries_failed ON deliveries (number) WHERE state = 'failed';

-- Urls that answered 410.
CREATE TABLE callback_targets (
  id TEXT PRIMARY KEY,
  url TEXT NOT NULL UNIQUE,
  disabled_at INTEGER,
  delivery_id TEXT NOT NULL,
  version INTEGER NOT NULL,
  head TEXT NOT NULL
) STRICT, WITHOUT ROWID;
