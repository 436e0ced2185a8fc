-- Nobody read when a migration was applied, and nothing could tell that the number had been changed.
ALTER TABLE migrations DROP COLUMN applied_at;
