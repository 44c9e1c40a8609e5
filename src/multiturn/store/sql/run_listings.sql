-- name: list_runs_newest
-- The runs of a tenant, whatever their status or one that is common: the newest first, by their ids.
SELECT runs.tenant_id, runs.id, session_id, ticket, status, model, runs.created_at, started_at, ended_at, input_first, input_last,
    output_first, output_last, input, output, runs.settings, labels, usage, error, finish_reason, first_token_ms, agent_id,
    agent_version, reasoning, cost
FROM runs JOIN sessions ON sessions.tenant_id = runs.tenant_id AND sessions.id = session_id
WHERE runs.tenant_id = :tenant_id AND runs.id < :before
    AND (active_at + coalesce(idle_expiry_s, 0) * 1000 > :now OR idle_expiry_s IS NULL OR run_id IS NOT NULL
        OR waiting_run_id IS NOT NULL)
    AND (CAST(:status AS TEXT) IS NULL OR status = :status)
ORDER BY runs.id DESC LIMIT :limit;

-- name: list_runs_notable
-- Those of a status that is rare, by the index that has them alone.
SELECT runs.tenant_id, runs.id, session_id, ticket, status, model, runs.created_at, started_at, ended_at, input_first, input_last,
    output_first, output_last, input, output, runs.settings, labels, usage, error, finish_reason, first_token_ms, agent_id,
    agent_version, reasoning, cost
FROM runs JOIN sessions ON sessions.tenant_id = runs.tenant_id AND sessions.id = session_id
WHERE runs.tenant_id = :tenant_id AND runs.id < :before
    AND (active_at + coalesce(idle_expiry_s, 0) * 1000 > :now OR idle_expiry_s IS NULL OR run_id IS NOT NULL
        OR waiting_run_id IS NOT NULL)
    AND status = :status AND status IN ('waiting', 'incomplete', 'failed', 'cancelled')
ORDER BY runs.id DESC LIMIT :limit;

-- name: list_runs_of_agent
-- Those that an agent answered.
SELECT runs.tenant_id, runs.id, session_id, ticket, status, model, runs.created_at, started_at, ended_at, input_first, input_last,
    output_first, output_last, input, output, runs.settings, labels, usage, error, finish_reason, first_token_ms, agent_id,
    agent_version, reasoning, cost
FROM runs JOIN sessions ON sessions.tenant_id = runs.tenant_id AND sessions.id = session_id
WHERE runs.tenant_id = :tenant_id AND agent_id = :agent_id AND runs.id < :before
    AND (active_at + coalesce(idle_expiry_s, 0) * 1000 > :now OR idle_expiry_s IS NULL OR run_id IS NOT NULL
        OR waiting_run_id IS NOT NULL)
    AND (CAST(:status AS TEXT) IS NULL OR status = :status)
ORDER BY runs.id DESC LIMIT :limit;

-- name: list_runs_of_owner
-- Those of the sessions of one user. CROSS JOIN: SQLite begins with the sessions, and not with everybody's runs.
SELECT runs.tenant_id, runs.id, session_id, ticket, status, model, runs.created_at, started_at, ended_at, input_first, input_last,
    output_first, output_last, input, output, runs.settings, labels, usage, error, finish_reason, first_token_ms, agent_id,
    agent_version, reasoning, cost
FROM sessions CROSS JOIN runs
WHERE sessions.tenant_id = :tenant_id AND user_id = :owner_id
    AND runs.tenant_id = :tenant_id AND session_id = sessions.id AND runs.id < :before
    AND (active_at + coalesce(idle_expiry_s, 0) * 1000 > :now OR idle_expiry_s IS NULL OR run_id IS NOT NULL
        OR waiting_run_id IS NOT NULL)
    AND (CAST(:agent_id AS {uuid}) IS NULL OR agent_id = :agent_id)
    AND (CAST(:status AS TEXT) IS NULL OR status = :status)
ORDER BY runs.id DESC LIMIT :limit;

-- name: list_session_runs
-- Those of one session, the newest first.
SELECT tenant_id, id, session_id, ticket, status, model, created_at, started_at, ended_at, input_first, input_last, output_first,
    output_last, input, output, settings, labels, usage, error, finish_reason, first_token_ms, agent_id,
    agent_version, reasoning, cost
FROM runs WHERE tenant_id = :tenant_id AND session_id = :session_id AND ticket < :before
    AND (CAST(:agent_id AS {uuid}) IS NULL OR agent_id = :agent_id)
    AND (CAST(:status AS TEXT) IS NULL OR status = :status)
ORDER BY ticket DESC LIMIT :limit;

-- name: list_waiting_runs
-- Runs that wait for a person's word, in the order in which they were asked for; of sessions that are there.
SELECT runs.tenant_id, runs.id, runs.session_id, ticket, status, model, runs.created_at, started_at, ended_at, input_first, input_last,
    output_first, output_last, input, output, runs.settings, labels, usage, error, finish_reason, first_token_ms, agent_id,
    agent_version, reasoning, cost, asked_at, expires_at, calls, decisions
FROM run_waits JOIN runs ON runs.tenant_id = run_waits.tenant_id AND runs.id = run_waits.run_id
    JOIN sessions ON sessions.tenant_id = run_waits.tenant_id AND sessions.id = run_waits.session_id
        AND waiting_run_id = run_waits.run_id
WHERE run_waits.tenant_id = :tenant_id AND run_waits.run_id > :after
    AND (CAST(:owner_id AS {uuid}) IS NULL OR user_id = :owner_id)
    AND (CAST(:agent_id AS {uuid}) IS NULL OR agent_id = :agent_id)
ORDER BY run_waits.run_id LIMIT :limit;

-- name: find_waiting_run
-- The same of one run.
SELECT runs.tenant_id, runs.id, runs.session_id, ticket, status, model, runs.created_at, started_at, ended_at, input_first, input_last,
    output_first, output_last, input, output, runs.settings, labels, usage, error, finish_reason, first_token_ms, agent_id,
    agent_version, reasoning, cost, asked_at, expires_at, calls, decisions
FROM run_waits JOIN runs ON runs.tenant_id = run_waits.tenant_id AND runs.id = run_waits.run_id
    JOIN sessions ON sessions.tenant_id = run_waits.tenant_id AND sessions.id = run_waits.session_id
        AND waiting_run_id = run_waits.run_id
WHERE run_waits.tenant_id = :tenant_id AND run_waits.run_id = :run_id;
