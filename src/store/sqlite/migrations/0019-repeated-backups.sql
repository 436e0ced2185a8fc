-- The request that began a backup, so that a repetition of it begins no other: {principal, key, sha256}.
ALTER TABLE backups ADD COLUMN request TEXT CHECK (request IS NULL OR json_type(request) = 'object');
CREATE UNIQUE INDEX backups_request ON backups (request ->> 'principal', request ->> 'key') WHERE request IS NOT NULL;
