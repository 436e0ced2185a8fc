-- A tombstone is also the intent to remove what lies on disk; set once that is gone.
ALTER TABLE tombstones ADD COLUMN cleared_at INTEGER;
CREATE INDEX tombstones_uncleared ON tombstones (subject) WHERE cleared_at IS NULL;
