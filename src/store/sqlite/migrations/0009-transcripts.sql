-- sha256 of the transcript as the last attempt of a job left it.
ALTER TABLE jobs ADD COLUMN transcript_sha256 TEXT CHECK (length(transcript_sha256) = 64);
