-- name: hide_session
-- Nobody finds a session that has been idle for longer than it may be; from sweep_at on the sweeper erases it.
UPDATE sessions SET active_at = 0, idle_expiry_s = 0, sweep_at = :sweep_at WHERE tenant_id = :tenant_id AND id = :id;

-- name: publish_session
-- All of it is there: from now on it is found. One that somebody took away meanwhile stays away.
UPDATE sessions SET created_at = :created_at, active_at = :now, idle_expiry_s = :idle_expiry_s, sweep_at = :sweep_at,
    instructions = :instructions, metadata = :metadata, head = :head, path = :path, cut = :cut, settings = :settings, shown = :shown,
    cleared = :cleared, tickets = :tickets
WHERE tenant_id = :tenant_id AND id = :id AND active_at = 0 AND idle_expiry_s = 0;

-- name: list_archived_runs
-- The runs of a session that have ended, oldest first, with what their models were shown.
SELECT runs.tenant_id, runs.id, runs.session_id, ticket, status, model, created_at, started_at, ended_at, input_first, input_last,
    output_first, output_last, input, output, settings, labels, usage, error, finish_reason, first_token_ms,
    agent_id, agent_version, reasoning, cost, context, retrieved_contexts.body, retrieved_contexts.seq
FROM runs LEFT JOIN retrieved_contexts ON retrieved_contexts.tenant_id = runs.tenant_id AND retrieved_contexts.run_id = runs.id
WHERE runs.tenant_id = :tenant_id AND runs.session_id = :session_id AND ticket > :after AND status NOT IN ('queued', 'in_progress', 'waiting')
ORDER BY ticket LIMIT :limit;

-- name: list_archived_steps
-- What those runs did, step by step.
SELECT run_id, body FROM run_steps WHERE tenant_id = :tenant_id AND session_id = :session_id AND run_id IN (
    SELECT id FROM runs WHERE tenant_id = :tenant_id AND session_id = :session_id AND ticket > :after AND ticket <= :last)
ORDER BY run_id, number;

-- name: insert_archived_run
-- A run that ended elsewhere. No request is its repetition: its digest is that of none.
INSERT INTO runs (tenant_id, id, session_id, ticket, status, server_id, model, digest, created_at, started_at, ended_at, input_first,
    input_last, output_first, output_last, input, output, settings, labels, usage, error, finish_reason, first_token_ms, is_cancelled,
    context, agent_id, agent_version, reasoning, cost)
VALUES (:tenant_id, :id, :session_id, :ticket, :status, :server_id, :model, :digest, :created_at, :started_at, :ended_at, :input_first,
    :input_last, :output_first, :output_last, :input, :output, :settings, :labels, :usage, :error, :finish_reason, :first_token_ms, 0,
    :context, :agent_id, :agent_version, :reasoning, :cost);
