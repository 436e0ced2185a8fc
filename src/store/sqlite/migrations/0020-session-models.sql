-- A session belongs to one model: an attempt tells which one its agent was set to.
ALTER TABLE attempts ADD COLUMN model TEXT;
