-- name: put_aside_session
-- The run waits for a person's word and gives its lease back; no other turn begins meanwhile.
UPDATE sessions SET run_id = NULL, server_id = NULL, waiting_run_id = :run_id, active_at = :now
WHERE tenant_id = :tenant_id AND id = :id AND run_id = :run_id AND fencing = :fencing
RETURNING waiting;

-- name: put_aside_run
-- No server holds it, so that none can lose it. Whose it is can be seen while it waits. One that was to be cancelled never waits.
UPDATE runs SET status = 'waiting', agent_id = :agent_id, agent_version = :agent_version
WHERE tenant_id = :tenant_id AND id = :run_id AND status = 'in_progress' AND is_cancelled = 0;

-- name: save_wait
-- A run may wait more than once, never twice at a time.
INSERT INTO run_waits (tenant_id, run_id, session_id, asked_at, expires_at, calls, decisions, state)
VALUES (:tenant_id, :run_id, :session_id, :asked_at, :expires_at, :calls, '[]', :state);

-- name: find_wait
-- What waits; of a session that was deleted or cleared meanwhile nothing does.
SELECT calls, decisions FROM run_waits
WHERE tenant_id = :tenant_id AND run_id = :run_id AND EXISTS (
    SELECT 1 FROM sessions WHERE sessions.tenant_id = run_waits.tenant_id AND sessions.id = run_waits.session_id
        AND waiting_run_id = :run_id);

-- name: find_wait_session
-- The session is locked first, as every turn does.
SELECT session_id FROM run_waits WHERE tenant_id = :tenant_id AND run_id = :run_id;

-- name: load_wait
-- All that the run needs to go on; its session is held by this transaction.
SELECT calls, decisions, state FROM run_waits WHERE tenant_id = :tenant_id AND run_id = :run_id;

-- name: note_decisions
-- What was said so far.
UPDATE run_waits SET decisions = :decisions WHERE tenant_id = :tenant_id AND run_id = :run_id;

-- name: end_wait
-- It goes on, or ends.
DELETE FROM run_waits WHERE tenant_id = :tenant_id AND run_id = :run_id;

-- name: take_up_session
-- The run has its session again, under a higher fencing number.
UPDATE sessions SET run_id = :run_id, server_id = :server_id, waiting_run_id = NULL, fencing = fencing + 1
WHERE tenant_id = :tenant_id AND id = :id;

-- name: take_up_run
-- This server holds it.
UPDATE runs SET status = 'in_progress', server_id = :server_id, is_cancelled = 0 WHERE tenant_id = :tenant_id AND id = :run_id;

-- name: list_expired_waits
-- across tenants: every server looks for runs that nobody has answered in time.
SELECT tenant_id, run_id FROM run_waits WHERE expires_at <= :now ORDER BY expires_at LIMIT :limit;
