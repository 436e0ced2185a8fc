-- The request that registered a repository, so that a repetition of it finds this one: {principal, key, sha256}.
ALTER TABLE repositories ADD COLUMN request TEXT CHECK (request IS NULL OR json_type(request) = 'object');
CREATE UNIQUE INDEX repositories_request ON repositories (request ->> 'principal', request ->> 'key') WHERE request IS NOT NULL;
