-- Where the branch of a hand-off is pushed to; null for nowhere.
ALTER TABLE repositories ADD COLUMN push TEXT;
