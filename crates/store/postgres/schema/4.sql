-- alerts: how many are kept, without those that `counted` has.
SET LOCAL statement_timeout = 0;
ALTER TABLE meta ADD alerts bigint NOT NULL DEFAULT 0;
UPDATE meta SET alerts = (SELECT count(*) FROM alert) - (SELECT coalesce(sum(n), 0) FROM counted);
