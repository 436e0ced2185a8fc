-- Paths a job may touch. Those that wait for theirs stand in a line of their own, so that they hold up nobody; the two
-- indexes together hold what `jobs_claimable` did.
ALTER TABLE jobs ADD COLUMN surface TEXT CHECK (json_type(surface) = 'array');
DROP INDEX jobs_claimable;
CREATE INDEX jobs_claimable ON jobs (repository, others, priority DESC, queue_seq)
  WHERE state = 'queued' AND frozen = 0 AND (surface IS NULL OR started_at IS NOT NULL);
CREATE INDEX jobs_surface_line ON jobs (repository, others, priority DESC, queue_seq)
  WHERE state = 'queued' AND frozen = 0 AND surface IS NOT NULL AND started_at IS NULL;
-- Those that hold theirs (lifecycle/surface.ts).
CREATE INDEX jobs_surface_held ON jobs (repository, number)
  WHERE surface IS NOT NULL AND (state IN ('preparing', 'running') OR (state IN ('queued', 'quarantined') AND started_at IS NOT NULL));
