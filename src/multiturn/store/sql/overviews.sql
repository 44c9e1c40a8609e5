-- name: count_agents
-- How many agents a tenant has.
SELECT count(*) FROM agents WHERE tenant_id = :tenant_id;

-- name: tell_agent_use
-- The sessions that an agent takes part in, and their runs: counted in the index.
SELECT count(*), coalesce(sum(runs), 0), max(last_at) FROM (
    SELECT (SELECT count(*) FROM runs WHERE runs.tenant_id = :tenant_id AND runs.session_id = sessions.id) AS runs,
        (SELECT created_at FROM runs WHERE runs.tenant_id = :tenant_id AND runs.session_id = sessions.id
            ORDER BY ticket DESC LIMIT 1) AS last_at
    FROM session_members JOIN sessions
        ON sessions.tenant_id = session_members.tenant_id AND sessions.id = session_members.session_id
    WHERE session_members.tenant_id = :tenant_id AND member_id = :agent_id
        AND (CAST(:owner_id AS {uuid}) IS NULL OR user_id = :owner_id)
        AND (active_at + coalesce(idle_expiry_s, 0) * 1000 > :now OR idle_expiry_s IS NULL OR run_id IS NOT NULL
            OR waiting_run_id IS NOT NULL)
) AS used;

-- name: list_agent_sessions
-- The sessions that an agent takes part in, those used last first. Runs are counted only where their number matters.
SELECT sessions.tenant_id, id, user_id, external_id, created_at, active_at, idle_expiry_s, instructions, metadata, head, path, cut,
    run_id, settings, shown, cleared, waiting_run_id
FROM session_members JOIN sessions
    ON sessions.tenant_id = session_members.tenant_id AND sessions.id = session_members.session_id
WHERE session_members.tenant_id = :tenant_id AND member_id = :agent_id
    AND (CAST(:owner_id AS {uuid}) IS NULL OR user_id = :owner_id)
    AND (active_at + coalesce(idle_expiry_s, 0) * 1000 > :now OR idle_expiry_s IS NULL OR run_id IS NOT NULL
        OR waiting_run_id IS NOT NULL)
    AND created_at >= :created_after AND created_at < :created_before
    AND (:counts_runs = 0 OR (SELECT count(*) FROM runs WHERE runs.tenant_id = :tenant_id AND runs.session_id = sessions.id)
        BETWEEN :runs_min AND :runs_max)
ORDER BY active_at DESC, id DESC LIMIT :limit OFFSET :offset;

-- name: count_agent_sessions
-- How many they are.
SELECT count(*)
FROM session_members JOIN sessions
    ON sessions.tenant_id = session_members.tenant_id AND sessions.id = session_members.session_id
WHERE session_members.tenant_id = :tenant_id AND member_id = :agent_id
    AND (CAST(:owner_id AS {uuid}) IS NULL OR user_id = :owner_id)
    AND (active_at + coalesce(idle_expiry_s, 0) * 1000 > :now OR idle_expiry_s IS NULL OR run_id IS NOT NULL
        OR waiting_run_id IS NOT NULL)
    AND created_at >= :created_after AND created_at < :created_before
    AND (:counts_runs = 0 OR (SELECT count(*) FROM runs WHERE runs.tenant_id = :tenant_id AND runs.session_id = sessions.id)
        BETWEEN :runs_min AND :runs_max);

-- name: count_session_runs
-- How many runs sessions had, whatever became of them, and when the last began.
SELECT session_id, count(*), max(created_at) FROM runs
WHERE tenant_id = :tenant_id AND session_id IN ({ids}) GROUP BY session_id;

-- name: list_runs_oldest_first
-- A session's runs from its beginning.
SELECT tenant_id, id, session_id, ticket, status, model, created_at, started_at, ended_at, input_first, input_last, output_first,
    output_last, input, output, settings, labels, usage, error, finish_reason, first_token_ms, agent_id,
    agent_version, reasoning, cost
FROM runs WHERE tenant_id = :tenant_id AND session_id = :session_id ORDER BY ticket LIMIT :limit OFFSET :offset;

-- name: load_runs
-- Several runs at once.
SELECT tenant_id, id, session_id, ticket, status, model, created_at, started_at, ended_at, input_first, input_last, output_first,
    output_last, input, output, settings, labels, usage, error, finish_reason, first_token_ms, agent_id,
    agent_version, reasoning, cost
FROM runs WHERE tenant_id = :tenant_id AND id IN ({ids});

-- name: load_retrieved
-- What was found for several runs.
SELECT run_id, body FROM retrieved_contexts WHERE tenant_id = :tenant_id AND run_id IN ({ids});
