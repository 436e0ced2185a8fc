-- Lists that passed over history to find their page: what was delivered, the ended jobs of a repository in one state, and
-- the callback targets that are out of use.
CREATE INDEX deliveries_sent ON deliveries (number) WHERE state = 'sent';
CREATE INDEX jobs_repository_ended ON jobs (repository, state, number) WHERE finished_at IS NOT NULL;
CREATE INDEX targets_disabled ON callback_targets (id) WHERE disabled_at IS NOT NULL;
