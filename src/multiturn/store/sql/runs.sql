-- name: insert_run
-- The run and its input, durable before the model is called.
INSERT INTO runs (tenant_id, id, session_id, ticket, status, server_id, model, digest, created_at, started_at, input, settings, labels,
    is_cancelled)
VALUES (:tenant_id, :id, :session_id, :ticket, :status, :server_id, :model, :digest, :created_at, :started_at, :input, :settings, :labels,
    0);

-- name: find_run
-- One run of the tenant.
SELECT tenant_id, id, session_id, ticket, status, model, created_at, started_at, ended_at, input_first, input_last, output_first,
    output_last, input, output, settings, labels, usage, error, finish_reason, first_token_ms, agent_id,
    agent_version, reasoning, cost
FROM runs WHERE tenant_id = :tenant_id AND id = :id;

-- name: find_run_context
-- What its model was shown; only asked for by people who look.
SELECT context FROM runs WHERE tenant_id = :tenant_id AND id = :id;

-- name: find_turn
-- A run and its session as they stand at one moment, with the number of the session's lease.
SELECT runs.tenant_id, runs.id, session_id, ticket, status, model, runs.created_at, started_at, ended_at, input_first, input_last,
    output_first, output_last, input, output, runs.settings, labels, usage, error, finish_reason, first_token_ms, agent_id,
    agent_version, reasoning, cost, sessions.tenant_id, sessions.id, user_id, external_id, sessions.created_at, active_at, idle_expiry_s, instructions, metadata,
    head, path, cut, run_id, sessions.settings, shown, cleared, waiting_run_id, fencing
FROM runs LEFT JOIN sessions ON sessions.tenant_id = runs.tenant_id AND sessions.id = session_id
WHERE runs.tenant_id = :tenant_id AND runs.id = :id;

-- name: list_runs
-- A session's runs, newest first.
SELECT tenant_id, id, session_id, ticket, status, model, created_at, started_at, ended_at, input_first, input_last, output_first,
    output_last, input, output, settings, labels, usage, error, finish_reason, first_token_ms, agent_id,
    agent_version, reasoning, cost
FROM runs WHERE tenant_id = :tenant_id AND session_id = :session_id AND ticket < :before ORDER BY ticket DESC LIMIT :limit;

-- name: end_run
-- What entered the history is named by range, not kept twice.
UPDATE runs SET status = :status, ended_at = :ended_at, input_first = :input_first, input_last = :input_last,
    output_first = :output_first, output_last = :output_last, input = CASE WHEN :keeps_input = 1 THEN input ELSE :input END,
    output = :output, usage = :usage, error = :error, finish_reason = :finish_reason, first_token_ms = :first_token_ms,
    context = :context, agent_id = :agent_id, agent_version = :agent_version, reasoning = :reasoning, cost = :cost
WHERE tenant_id = :tenant_id AND id = :id AND status IN ('queued', 'in_progress');

-- name: save_step
-- A step is stored once, when the run ends or waits; a run that was erased meanwhile leaves nothing behind.
INSERT INTO run_steps (tenant_id, run_id, number, session_id, body) SELECT :tenant_id, :run_id, :number, :session_id, :body
WHERE EXISTS (SELECT 1 FROM runs WHERE tenant_id = :tenant_id AND id = :run_id)
ON CONFLICT (tenant_id, run_id, number) DO UPDATE SET body = excluded.body;

-- name: list_steps
-- What runs did, step by step.
SELECT run_id, body FROM run_steps WHERE tenant_id = :tenant_id AND run_id IN ({ids}) ORDER BY run_id, number;

-- name: next_in_queue
-- The waiting turn with the lowest ticket.
SELECT id, server_id FROM runs WHERE tenant_id = :tenant_id AND session_id = :session_id AND status = 'queued' ORDER BY ticket LIMIT 1;

-- name: start_run
-- The waiting turn got the session.
UPDATE runs SET status = 'in_progress', started_at = :now WHERE tenant_id = :tenant_id AND id = :id;

-- name: take_from_queue
-- A waiting turn gave up; nothing happens when it has got the session meanwhile.
UPDATE runs SET status = 'in_progress' WHERE tenant_id = :tenant_id AND id = :id AND status = 'queued';

-- name: find_retried_run
-- A recent run of this session that was asked with the same body and may still answer it. What was cancelled stays so: its
-- question is in the history, and is not asked again by a client that did not hear of it.
SELECT id FROM runs
WHERE tenant_id = :tenant_id AND session_id = :session_id AND ticket > :after_ticket AND digest = :digest AND created_at > :since
    AND status IN ('queued', 'in_progress', 'waiting', 'completed', 'incomplete', 'cancelled')
ORDER BY ticket DESC LIMIT 1;

-- name: find_vanished_run
-- The run whose client went away, if it was asked with the same body and may still answer it.
SELECT id FROM runs
WHERE tenant_id = :tenant_id AND id = :id AND digest = :digest
    AND (status IN ('queued', 'in_progress', 'waiting') OR (status IN ('completed', 'incomplete') AND vanished_at > :since));

-- name: mark_run_vanished
-- Its client went away.
UPDATE runs SET vanished_at = :now WHERE tenant_id = :tenant_id AND id = :id;

-- name: request_cancel
-- Whoever holds the run cancels it.
UPDATE runs SET is_cancelled = 1 WHERE tenant_id = :tenant_id AND id = :id AND status IN ('queued', 'in_progress');

-- name: list_cancelled_runs
-- across tenants: a server looks at all the runs that it holds.
SELECT id FROM runs WHERE server_id = :server_id AND status IN ('queued', 'in_progress') AND is_cancelled = 1;

-- name: list_orphaned_runs
-- across tenants: whose server has not been heard of for the length of a lease.
SELECT tenant_id, id FROM runs
WHERE status IN ('queued', 'in_progress') AND server_id <> :server_id
    AND NOT EXISTS (SELECT 1 FROM servers WHERE servers.id = runs.server_id AND servers.expires_at > {now_ms})
ORDER BY server_id LIMIT :limit;

-- name: list_own_runs
-- across tenants: a server compares the runs that are its own with those that it executes.
SELECT tenant_id, id FROM runs WHERE server_id = :server_id AND status IN ('queued', 'in_progress') AND created_at < :before;

-- name: save_events
-- What the model said so far, at most a second old when the process dies. A run that was erased leaves nothing behind.
-- Of two batches with one beginning the longer holds the other: the first was stored, and its server did not hear of it.
INSERT INTO run_events (tenant_id, run_id, first, is_whole, created_at, body)
SELECT :tenant_id, :run_id, :first, :is_whole, :created_at, :body
WHERE EXISTS (SELECT 1 FROM runs WHERE tenant_id = :tenant_id AND id = :run_id)
ON CONFLICT (tenant_id, run_id, first)
DO UPDATE SET body = excluded.body WHERE length(excluded.body) > length(run_events.body);

-- name: list_events
-- The last batch that began at or before the number, and all behind it.
SELECT first, is_whole, body FROM run_events
WHERE tenant_id = :tenant_id AND run_id = :run_id AND first >= coalesce(
    (SELECT max(first) FROM run_events WHERE tenant_id = :tenant_id AND run_id = :run_id AND first <= :after + 1), 0)
ORDER BY first LIMIT :limit;

-- name: take_idempotency_key
-- The first request takes the key; an old entry has had its time, and a run that failed gave no answer to repeat. Of two that race one
-- waits for the other, and changes nothing.
INSERT INTO idempotency_keys (tenant_id, user_id, route, key, digest, run_id, session_id, created_at)
VALUES (:tenant_id, :user_id, :route, :key, :digest, :run_id, :session_id, :now)
ON CONFLICT (tenant_id, user_id, route, key)
DO UPDATE SET digest = excluded.digest, run_id = excluded.run_id, session_id = excluded.session_id, created_at = excluded.created_at
WHERE idempotency_keys.created_at <= :before OR (idempotency_keys.digest = excluded.digest AND EXISTS (
    SELECT 1 FROM runs WHERE runs.tenant_id = idempotency_keys.tenant_id AND runs.id = idempotency_keys.run_id AND runs.status = 'failed'));

-- name: find_idempotent_run
-- The run that this key stands for.
SELECT run_id, digest FROM idempotency_keys
WHERE tenant_id = :tenant_id AND user_id = :user_id AND route = :route AND key = :key;

-- name: name_idempotent_run
-- From now on this key stands for this run.
UPDATE idempotency_keys SET run_id = :run_id, session_id = :session_id, created_at = :now
WHERE tenant_id = :tenant_id AND user_id = :user_id AND route = :route AND key = :key;
