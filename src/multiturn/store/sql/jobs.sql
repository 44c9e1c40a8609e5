-- name: defer_job
-- A subject has one job of a kind. One that is there begins anew, and whoever is at work on it has lost it: what was asked for last is
-- done after it was asked for.
INSERT INTO jobs (tenant_id, id, kind, subject_id, created_at, run_at, tries, deaths)
VALUES (:tenant_id, :id, :kind, :subject_id, :now, :run_at, 0, 0)
ON CONFLICT (tenant_id, kind, subject_id) DO UPDATE
SET run_at = excluded.run_at, tries = 0, deaths = 0, worker_id = NULL, claimed_until = NULL;

-- name: remove_job
-- The subject is gone; whoever is at work on it hears that the job is.
DELETE FROM jobs WHERE tenant_id = :tenant_id AND kind = :kind AND subject_id = :subject_id;

-- name: hold_queue
-- One worker claims at a time: of two that counted a tenant's jobs beside each other, both would find a place for one more.
SELECT 1 /*postgres: FROM pg_advisory_xact_lock(7237370004) */;

-- name: find_waiting_job
-- across tenants: workers do whatever waits longest. The tenants that have jobs are found by steps in the index, so that one tenant's
-- long queue costs nothing; of each its first job that is due, unless as many of it are at work as may be.
WITH RECURSIVE waiting(tenant_id) AS (
    SELECT (SELECT tenant_id FROM jobs WHERE kind = :kind ORDER BY tenant_id LIMIT 1)
    UNION ALL
    SELECT (SELECT jobs.tenant_id FROM jobs WHERE kind = :kind AND jobs.tenant_id > waiting.tenant_id ORDER BY jobs.tenant_id LIMIT 1)
    FROM waiting WHERE waiting.tenant_id IS NOT NULL
), firsts(tenant_id, id) AS (
    SELECT waiting.tenant_id, (
        SELECT jobs.id FROM jobs WHERE jobs.tenant_id = waiting.tenant_id AND kind = :kind AND run_at <= :now
            AND (claimed_until IS NULL OR claimed_until < :now) ORDER BY run_at, id LIMIT 1)
    FROM waiting WHERE waiting.tenant_id IS NOT NULL AND (
        SELECT count(*) FROM jobs WHERE jobs.tenant_id = waiting.tenant_id AND kind = :kind AND claimed_until >= :now) < :tenant_max
)
SELECT jobs.tenant_id, jobs.id FROM firsts CROSS JOIN jobs WHERE jobs.tenant_id = firsts.tenant_id AND jobs.id = firsts.id
ORDER BY jobs.run_at, jobs.id LIMIT 1;

-- name: seize_job
-- A job that somebody is changing is left for the next look: who claims never waits, for all others wait for who claims.
SELECT 1 FROM jobs WHERE tenant_id = :tenant_id AND id = :id /*postgres: FOR UPDATE SKIP LOCKED */;

-- name: claim_job
-- Nobody else gets it meanwhile. A claim that ran out was somebody who died at it.
UPDATE jobs SET worker_id = :claim_id, claimed_until = :until,
    deaths = deaths + CASE WHEN claimed_until IS NULL THEN 0 ELSE 1 END
WHERE tenant_id = :tenant_id AND id = :id AND (claimed_until IS NULL OR claimed_until < :now)
RETURNING kind, subject_id, created_at, tries, deaths;

-- name: hold_claim
-- The job is still this claim's, and stays so until what is written for it is stored.
SELECT 1 FROM jobs WHERE tenant_id = :tenant_id AND id = :id AND worker_id = :claim_id /*postgres: FOR SHARE */;

-- name: extend_claim
-- Whoever does it lives.
UPDATE jobs SET claimed_until = :until WHERE tenant_id = :tenant_id AND id = :id AND worker_id = :claim_id;

-- name: renew_job
-- A step is done: what failed before it does not count against the next.
UPDATE jobs SET tries = 0, deaths = 0 WHERE tenant_id = :tenant_id AND id = :id AND worker_id = :claim_id;

-- name: retry_job
-- It failed for a reason that may pass, which counts as a try; or its worker stops, and leaves it to whoever comes next.
UPDATE jobs SET worker_id = NULL, claimed_until = NULL, run_at = :run_at, tries = tries + :counted
WHERE tenant_id = :tenant_id AND id = :id AND worker_id = :claim_id;

-- name: finish_job
-- It is done, unless it was asked for again meanwhile.
DELETE FROM jobs WHERE tenant_id = :tenant_id AND id = :id AND worker_id = :claim_id;

-- name: expire_claims
-- across tenants: a SQLite file has one owner, and whoever had a job when it is opened has died.
UPDATE jobs SET claimed_until = :now - 1 WHERE claimed_until >= :now;

-- name: count_jobs
-- across tenants: the length of the queue, for who watches the server; a long one is counted to a limit.
SELECT (SELECT count(*) FROM (SELECT 1 FROM jobs WHERE kind = 'asset' LIMIT :limit) AS assets),
    (SELECT count(*) FROM (SELECT 1 FROM jobs WHERE kind = 'item' LIMIT :limit) AS items);
