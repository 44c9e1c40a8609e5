-- name: begin_erasure
-- What belongs to this id is still to be erased: all of it, or (a clear) items up to a seq and runs up to a ticket. Of two orders the
-- wider one counts.
INSERT INTO erasures (tenant_id, session_id, last_seq, last_ticket) VALUES (:tenant_id, :session_id, :last_seq, :last_ticket)
ON CONFLICT (tenant_id, session_id) DO UPDATE SET
    last_seq = CASE WHEN erasures.last_seq > excluded.last_seq OR erasures.last_seq IS NULL THEN erasures.last_seq
        ELSE excluded.last_seq END,
    last_ticket = CASE WHEN erasures.last_ticket > excluded.last_ticket OR erasures.last_ticket IS NULL THEN erasures.last_ticket
        ELSE excluded.last_ticket END;

-- name: next_erasure
-- across tenants: the sweeper erases whatever is due. What another server is erasing is left to it.
SELECT tenant_id, session_id, last_seq, last_ticket FROM erasures LIMIT 1 /*postgres: FOR UPDATE SKIP LOCKED */;

-- name: end_erasure
-- Nothing is left that was to be erased.
DELETE FROM erasures WHERE tenant_id = :tenant_id AND session_id = :session_id;

-- name: list_shared
-- What of a session's items its forks still need.
SELECT first, last FROM forks WHERE tenant_id = :tenant_id AND origin_id = :session_id;

-- name: erase_items
-- A small batch, so that turns of other sessions never wait for it.
DELETE FROM items WHERE tenant_id = :tenant_id AND session_id = :session_id AND seq IN (
    SELECT seq FROM items WHERE tenant_id = :tenant_id AND session_id = :session_id AND seq >= :first AND seq <= :last
    ORDER BY seq LIMIT :limit);

-- name: erase_segments
-- The index of erased items; a batch of items of which one is still needed keeps its index.
DELETE FROM session_segments WHERE tenant_id = :tenant_id AND session_id = :session_id AND first IN (
    SELECT first FROM session_segments
    WHERE tenant_id = :tenant_id AND session_id = :session_id AND first >= :first AND first <= :last AND last <= :last
    ORDER BY first LIMIT :limit);

-- name: erase_events
-- Events of the session's oldest runs: they go before the runs that name them.
DELETE FROM run_events WHERE (tenant_id, run_id, first) IN (
    SELECT tenant_id, run_id, first FROM run_events WHERE tenant_id = :tenant_id AND run_id IN (
        SELECT id FROM runs WHERE tenant_id = :tenant_id AND session_id = :session_id AND ticket <= :last_ticket
        ORDER BY ticket LIMIT :runs)
    LIMIT :limit);

-- name: erase_retrieved
-- What was found for the same runs.
DELETE FROM retrieved_contexts WHERE tenant_id = :tenant_id AND run_id IN (
    SELECT id FROM runs WHERE tenant_id = :tenant_id AND session_id = :session_id AND ticket <= :last_ticket
    ORDER BY ticket LIMIT :runs);

-- name: erase_steps
-- What the same runs did.
DELETE FROM run_steps WHERE tenant_id = :tenant_id AND run_id IN (
    SELECT id FROM runs WHERE tenant_id = :tenant_id AND session_id = :session_id AND ticket <= :last_ticket
    ORDER BY ticket LIMIT :runs);

-- name: erase_waits
-- What the same runs waited for.
DELETE FROM run_waits WHERE tenant_id = :tenant_id AND run_id IN (
    SELECT id FROM runs WHERE tenant_id = :tenant_id AND session_id = :session_id AND ticket <= :last_ticket
    ORDER BY ticket LIMIT :runs);

-- name: erase_runs
-- The oldest runs, whose events were erased just before in the same transaction.
DELETE FROM runs WHERE tenant_id = :tenant_id AND id IN (
    SELECT id FROM runs WHERE tenant_id = :tenant_id AND session_id = :session_id AND ticket <= :last_ticket
    ORDER BY ticket LIMIT :runs);

-- name: erase_idempotency_keys
-- Keys that stood for runs that are gone.
DELETE FROM idempotency_keys WHERE tenant_id = :tenant_id AND session_id = :session_id AND NOT EXISTS (
    SELECT 1 FROM runs WHERE runs.tenant_id = idempotency_keys.tenant_id AND runs.id = idempotency_keys.run_id);

-- name: erase_knowledge_segments
-- The index of documents of whoever is gone.
DELETE FROM knowledge_segments WHERE (tenant_id, store_id, item_id, number) IN (
    SELECT tenant_id, store_id, item_id, number FROM knowledge_segments WHERE tenant_id = :tenant_id AND store_id IN (
        SELECT id FROM knowledge_stores WHERE tenant_id = :tenant_id AND owner_id = :session_id)
    LIMIT :limit);

-- name: erase_knowledge_parts
-- What readers found in the first of a store's items.
DELETE FROM knowledge_parts WHERE (tenant_id, item_id, starts) IN (
    SELECT tenant_id, item_id, starts FROM knowledge_parts WHERE tenant_id = :tenant_id AND item_id IN (
        SELECT id FROM (SELECT id FROM knowledge_items WHERE tenant_id = :tenant_id AND store_id IN (
            SELECT id FROM knowledge_stores WHERE tenant_id = :tenant_id AND owner_id = :session_id)
            ORDER BY id LIMIT :items) AS first_items)
    LIMIT :limit);

-- name: erase_knowledge_items
-- The documents themselves, in the order in which their parts went.
DELETE FROM knowledge_items WHERE tenant_id = :tenant_id AND id IN (
    SELECT id FROM knowledge_items WHERE tenant_id = :tenant_id AND store_id IN (
        SELECT id FROM knowledge_stores WHERE tenant_id = :tenant_id AND owner_id = :session_id)
    ORDER BY id LIMIT :limit);

-- name: erase_knowledge_stores
-- The stores, which are empty now.
DELETE FROM knowledge_stores WHERE tenant_id = :tenant_id AND owner_id = :session_id;

-- name: list_origins
-- The sessions whose items this one shared, always in one order: who holds several holds them alike.
SELECT origin_id FROM forks WHERE tenant_id = :tenant_id AND session_id = :session_id ORDER BY origin_id;

-- name: hold_origin
-- How much of a living session was cleared; nothing when it is gone.
SELECT cleared FROM sessions WHERE tenant_id = :tenant_id AND id = :origin_id /*postgres: FOR UPDATE */;

-- name: drop_forks
-- The session shares nothing any more.
DELETE FROM forks WHERE tenant_id = :tenant_id AND session_id = :session_id;

-- name: list_sessions_with_user
-- Sessions that a user owns or takes part in, a few at a time, and all that were forked from them.
WITH RECURSIVE gone(id) AS (
    SELECT id FROM (
        SELECT id FROM sessions WHERE tenant_id = :tenant_id AND user_id = :user_id
        UNION
        SELECT session_id FROM session_members WHERE tenant_id = :tenant_id AND member_id = :user_id AND EXISTS (
            SELECT 1 FROM sessions WHERE sessions.tenant_id = :tenant_id AND sessions.id = session_members.session_id)
        LIMIT :limit) AS own
    UNION
    SELECT forks.session_id FROM gone CROSS JOIN forks WHERE forks.tenant_id = :tenant_id AND forks.origin_id = gone.id)
SELECT id FROM gone;

-- name: count_content
-- What goes with a session, or with another owner of documents: items of its own, runs, documents.
SELECT (SELECT count(*) FROM items WHERE tenant_id = :tenant_id AND session_id = :session_id),
    (SELECT count(*) FROM runs WHERE tenant_id = :tenant_id AND session_id = :session_id),
    (SELECT count(*) FROM knowledge_items WHERE tenant_id = :tenant_id AND store_id IN (
        SELECT id FROM knowledge_stores WHERE tenant_id = :tenant_id AND owner_id = :session_id));

-- name: expire_events
-- across tenants: events are kept until their run has ended, and for an hour after, whoever's they are.
-- The batch is chosen once: PostgreSQL may ask a plain subquery that locks again for each row, and take more than the limit.
WITH old AS MATERIALIZED (
    SELECT tenant_id, run_id, first FROM run_events WHERE created_at < :before AND NOT EXISTS (
        SELECT 1 FROM runs WHERE runs.tenant_id = run_events.tenant_id AND runs.id = run_events.run_id
            AND (ended_at IS NULL OR ended_at >= :before)) ORDER BY created_at LIMIT :limit
    /*postgres: FOR UPDATE SKIP LOCKED */)
DELETE FROM run_events WHERE (tenant_id, run_id, first) IN (SELECT tenant_id, run_id, first FROM old);

-- name: expire_idempotency_keys
-- across tenants: keys are kept for a day, whoever's they are.
WITH old AS MATERIALIZED (
    SELECT tenant_id, user_id, route, key FROM idempotency_keys WHERE created_at < :before ORDER BY created_at LIMIT :limit
    /*postgres: FOR UPDATE SKIP LOCKED */)
DELETE FROM idempotency_keys WHERE (tenant_id, user_id, route, key) IN (SELECT tenant_id, user_id, route, key FROM old);
