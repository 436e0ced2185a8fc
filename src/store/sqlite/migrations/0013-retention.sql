-- When retention began to remove the workspace of an ended job, and which of those removals are under way.
ALTER TABLE jobs ADD COLUMN workspace_removed_at INTEGER;
CREATE INDEX jobs_retiring ON jobs (number)
  WHERE workspace_removed_at IS NOT NULL AND workspace_state = 'preparing' AND finished_at IS NOT NULL;
