-- name: begin_erasure
-- The session is gone; what was in it is still to be erased.
INSERT INTO erasures (tenant_id, session_id) VALUES (:tenant_id, :session_id) ON CONFLICT (tenant_id, session_id) DO NOTHING;

-- name: next_erasure
-- across tenants: the sweeper erases whatever is due. What another server is erasing is left to it.
SELECT tenant_id, session_id FROM erasures LIMIT 1 /*postgres: FOR UPDATE SKIP LOCKED */;

-- name: end_erasure
-- Nothing of the session is left.
DELETE FROM erasures WHERE tenant_id = :tenant_id AND session_id = :session_id;

-- name: erase_items
-- A small batch, so that turns of other sessions never wait for it.
DELETE FROM items WHERE tenant_id = :tenant_id AND session_id = :session_id AND seq IN (
    SELECT seq FROM items WHERE tenant_id = :tenant_id AND session_id = :session_id ORDER BY seq LIMIT :limit);

-- name: erase_events
-- Events of the session's oldest runs: they go before the runs that name them.
DELETE FROM run_events WHERE (tenant_id, run_id, first) IN (
    SELECT tenant_id, run_id, first FROM run_events WHERE tenant_id = :tenant_id AND run_id IN (
        SELECT id FROM runs WHERE tenant_id = :tenant_id AND session_id = :session_id ORDER BY ticket LIMIT :runs)
    LIMIT :limit);

-- name: erase_runs
-- The oldest runs, whose events were erased just before in the same transaction.
DELETE FROM runs WHERE tenant_id = :tenant_id AND id IN (
    SELECT id FROM runs WHERE tenant_id = :tenant_id AND session_id = :session_id ORDER BY ticket LIMIT :runs);

-- name: erase_idempotency_keys
-- Keys that stood for runs of the session.
DELETE FROM idempotency_keys WHERE tenant_id = :tenant_id AND session_id = :session_id;

-- name: expire_events
-- across tenants: events are kept for an hour, whoever's they are.
DELETE FROM run_events WHERE (tenant_id, run_id, first) IN (
    SELECT tenant_id, run_id, first FROM run_events WHERE created_at < :before ORDER BY created_at LIMIT :limit
    /*postgres: FOR UPDATE SKIP LOCKED */);

-- name: expire_idempotency_keys
-- across tenants: keys are kept for a day, whoever's they are.
DELETE FROM idempotency_keys WHERE (tenant_id, user_id, route, key) IN (
    SELECT tenant_id, user_id, route, key FROM idempotency_keys WHERE created_at < :before ORDER BY created_at LIMIT :limit
    /*postgres: FOR UPDATE SKIP LOCKED */);
