-- What the tests of a gate told: {format, tests, passed, failed, skipped, failing}; it decides nothing.
ALTER TABLE gates ADD COLUMN summary TEXT CHECK (json_type(summary) = 'object');
