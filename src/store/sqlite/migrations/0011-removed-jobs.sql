-- What is left of a removed job: its number, the repositories whose mirrors may hold trees of it, and of its chain, which
-- goes with it, where it began and ended and its last hash. The events that tell of the removal follow that hash.
ALTER TABLE tombstones ADD COLUMN number INTEGER;
ALTER TABLE tombstones ADD COLUMN repositories TEXT CHECK (json_type(repositories) = 'array');
ALTER TABLE tombstones ADD COLUMN cut_head TEXT;
ALTER TABLE tombstones ADD COLUMN first_seq INTEGER;
ALTER TABLE tombstones ADD COLUMN last_seq INTEGER;
CREATE UNIQUE INDEX tombstones_number ON tombstones (number) WHERE number IS NOT NULL;

-- A prompt goes with the last job that has it.
CREATE INDEX jobs_prompt ON jobs (prompt_sha256);
-- What is due by age: ended jobs, and those of them that still have a workspace.
CREATE INDEX jobs_finished ON jobs (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX jobs_workspaces ON jobs (finished_at) WHERE finished_at IS NOT NULL AND workspace_state <> 'none';
