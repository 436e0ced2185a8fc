-- The request that made a token, an account or a resource, so that a repetition of it is known: {principal, key, sha256}.
ALTER TABLE tokens ADD COLUMN request TEXT CHECK (request IS NULL OR json_type(request) = 'object');
CREATE UNIQUE INDEX tokens_request ON tokens (request ->> 'principal', request ->> 'key') WHERE request IS NOT NULL;

ALTER TABLE accounts ADD COLUMN request TEXT CHECK (request IS NULL OR json_type(request) = 'object');
CREATE UNIQUE INDEX accounts_request ON accounts (request ->> 'principal', request ->> 'key') WHERE request IS NOT NULL;

ALTER TABLE resources ADD COLUMN request TEXT CHECK (request IS NULL OR json_type(request) = 'object');
CREATE UNIQUE INDEX resources_request ON resources (request ->> 'principal', request ->> 'key') WHERE request IS NOT NULL;
