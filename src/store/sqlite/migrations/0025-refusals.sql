-- Results that were refused: one for each attempt and word (lifecycle/refusal.ts), never changed.
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
CREATE INDEX refusals_job ON refusals (job_id, id);
