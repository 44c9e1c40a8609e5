-- name: find_session_by_id
-- Our own id; within the tenant, whoever's it is.
SELECT tenant_id, id, user_id, external_id, created_at, active_at, idle_expiry_s, instructions, metadata, head, path, cut, run_id,
    settings, shown, cleared, waiting_run_id
FROM sessions WHERE tenant_id = :tenant_id AND id = :id;

-- name: find_session_by_external_id
-- The id that a client chose: two users may choose the same.
SELECT tenant_id, id, user_id, external_id, created_at, active_at, idle_expiry_s, instructions, metadata, head, path, cut, run_id,
    settings, shown, cleared, waiting_run_id
FROM sessions WHERE tenant_id = :tenant_id AND user_id = :user_id AND external_id = :external_id;

-- name: lock_session_by_id
-- The session and its lease, which nobody changes until this transaction ends.
SELECT tenant_id, id, user_id, external_id, created_at, active_at, idle_expiry_s, instructions, metadata, head, path, cut, run_id,
    settings, shown, cleared, waiting_run_id, fencing, tickets, waiting, vanished_run_id
FROM sessions WHERE tenant_id = :tenant_id AND id = :id /*postgres: FOR UPDATE */;

-- name: lock_session_by_external_id
-- The same, by the id that the client chose.
SELECT tenant_id, id, user_id, external_id, created_at, active_at, idle_expiry_s, instructions, metadata, head, path, cut, run_id,
    settings, shown, cleared, waiting_run_id, fencing, tickets, waiting, vanished_run_id
FROM sessions WHERE tenant_id = :tenant_id AND user_id = :user_id AND external_id = :external_id /*postgres: FOR UPDATE */;

-- name: make_session
-- The session is made by its first turn, which holds it at once. Of two that race for a name one waits for the other and makes none.
INSERT INTO sessions (tenant_id, id, user_id, external_id, created_at, active_at, idle_expiry_s, sweep_at, metadata, head, cut,
    run_id, server_id, fencing, tickets, waiting)
VALUES (:tenant_id, :id, :user_id, :external_id, :now, :now, :idle_expiry_s, :sweep_at, '{}', 0, 1, :run_id, :server_id, 1, 1, 0)
ON CONFLICT (tenant_id, user_id, external_id) DO NOTHING;

-- name: take_session
-- The turn takes the free session: a higher fencing number ends every earlier lease. Its end says when it was last used: a session
-- that a turn holds does not expire, and an index over that time need not be written twice.
UPDATE sessions SET run_id = :run_id, server_id = :server_id, fencing = fencing + 1, tickets = tickets + 1,
    idle_expiry_s = coalesce(:idle_expiry_s, idle_expiry_s), sweep_at = coalesce(:sweep_at, sweep_at)
WHERE tenant_id = :tenant_id AND id = :id;

-- name: join_queue
-- The turn waits behind those that came before it.
UPDATE sessions SET tickets = tickets + 1, waiting = waiting + 1, active_at = :now,
    idle_expiry_s = coalesce(:idle_expiry_s, idle_expiry_s), sweep_at = coalesce(:sweep_at, sweep_at)
WHERE tenant_id = :tenant_id AND id = :id;

-- name: leave_queue
-- A waiting turn gave up.
UPDATE sessions SET waiting = waiting - 1 WHERE tenant_id = :tenant_id AND id = :id;

-- name: advance_session
-- The turn is over. Only the holder of the lease, and only where the history is still where it began, may move the head.
UPDATE sessions SET head = :head, active_at = :now, cut = coalesce(:cut, cut), instructions = coalesce(:instructions, instructions),
    shown = coalesce(:shown, shown),
    path = CASE WHEN :has_path = 1 THEN :path ELSE path END, run_id = NULL, server_id = NULL,
    used_turns = used_turns + :turns, used_input = used_input + :input_tokens, used_cached = used_cached + :cached_tokens,
    used_cache_write = used_cache_write + :cache_write_tokens, used_output = used_output + :output_tokens,
    used_reasoning = used_reasoning + :reasoning_tokens, used_cost = used_cost + :cost, used_unpriced = used_unpriced + :unpriced
WHERE tenant_id = :tenant_id AND id = :id AND run_id = :run_id AND fencing = :fencing AND head = :after
RETURNING waiting;

-- name: release_session
-- A turn that leaves nothing in the history gives the session back.
UPDATE sessions SET active_at = :now, run_id = NULL, server_id = NULL,
    used_turns = used_turns + :turns, used_input = used_input + :input_tokens, used_cached = used_cached + :cached_tokens,
    used_cache_write = used_cache_write + :cache_write_tokens, used_output = used_output + :output_tokens,
    used_reasoning = used_reasoning + :reasoning_tokens, used_cost = used_cost + :cost, used_unpriced = used_unpriced + :unpriced
WHERE tenant_id = :tenant_id AND id = :id AND run_id = :run_id AND fencing = :fencing
RETURNING waiting;

-- name: rejoin_queue
-- It had the session already and keeps it: nobody left.
UPDATE sessions SET waiting = waiting + 1 WHERE tenant_id = :tenant_id AND id = :id;

-- name: hand_over_session
-- The next turn in the queue gets the session.
UPDATE sessions SET run_id = :run_id, server_id = :server_id, fencing = fencing + 1, waiting = waiting - 1
WHERE tenant_id = :tenant_id AND id = :id
RETURNING fencing;

-- name: mark_session_vanished
-- The same request again will join this run (DESIGN 8.8).
UPDATE sessions SET vanished_run_id = :run_id WHERE tenant_id = :tenant_id AND id = :id;

-- name: list_sessions
-- Newest first: a UUIDv7 sorts by the time it was made.
SELECT tenant_id, id, user_id, external_id, created_at, active_at, idle_expiry_s, instructions, metadata, head, path, cut, run_id,
    settings, shown, cleared, waiting_run_id
FROM sessions
WHERE tenant_id = :tenant_id AND id < :before
    AND (active_at + coalesce(idle_expiry_s, 0) * 1000 > :now OR idle_expiry_s IS NULL OR run_id IS NOT NULL
        OR waiting_run_id IS NOT NULL)
ORDER BY id DESC LIMIT :limit;

-- name: list_user_sessions
-- The same of one user.
SELECT tenant_id, id, user_id, external_id, created_at, active_at, idle_expiry_s, instructions, metadata, head, path, cut, run_id,
    settings, shown, cleared, waiting_run_id
FROM sessions
WHERE tenant_id = :tenant_id AND user_id = :user_id AND id < :before
    AND (active_at + coalesce(idle_expiry_s, 0) * 1000 > :now OR idle_expiry_s IS NULL OR run_id IS NOT NULL
        OR waiting_run_id IS NOT NULL)
ORDER BY id DESC LIMIT :limit;

-- name: remove_session
-- Nobody finds it from now on; what was in it is erased in batches.
DELETE FROM sessions WHERE tenant_id = :tenant_id AND id = :id;

-- name: list_due_sessions
-- across tenants: the sweeper looks at whatever is due. One that a turn is using at this moment is left for the next look.
SELECT tenant_id, id, active_at, idle_expiry_s, coalesce(run_id, waiting_run_id) FROM sessions WHERE sweep_at <= :now ORDER BY sweep_at LIMIT :limit
/*postgres: FOR UPDATE SKIP LOCKED */;

-- name: move_sweep
-- The session was used since: look again when it may have expired.
UPDATE sessions SET sweep_at = :sweep_at WHERE tenant_id = :tenant_id AND id = :id;

-- name: create_session
-- A session without a turn: its first turn finds it free. A name or an id that is taken makes none.
INSERT INTO sessions (tenant_id, id, user_id, external_id, created_at, active_at, idle_expiry_s, sweep_at, instructions, metadata,
    head, path, cut, fencing, tickets, waiting, settings, shown)
VALUES (:tenant_id, :id, :user_id, :external_id, :now, :now, :idle_expiry_s, :sweep_at, :instructions, :metadata,
    :head, :path, :cut, 0, 0, 0, :settings, :shown)
ON CONFLICT DO NOTHING;

-- name: find_remains
-- Whether something of a session of this id that was deleted is still there: to be erased, or shared by its forks.
SELECT 1 FROM erasures WHERE tenant_id = :tenant_id AND session_id = :id
UNION ALL SELECT 1 FROM forks WHERE tenant_id = :tenant_id AND origin_id = :id LIMIT 1;

-- name: change_session
-- What a caller sets; a turn that runs meanwhile changes other columns. To change a session is to use it.
UPDATE sessions SET settings = :settings, metadata = :metadata, instructions = :instructions, idle_expiry_s = :idle_expiry_s,
    sweep_at = :sweep_at, active_at = :now
WHERE tenant_id = :tenant_id AND id = :id;

-- name: clear_session
-- Its history is empty; what it was is erased in batches, the turns too that queued behind one that waits for a person. The path is said to
-- be empty unless there never was anything.
UPDATE sessions SET path = CASE WHEN head = 0 THEN NULL ELSE '[]' END, cut = head + 1, shown = NULL, cleared = head,
    settings = :settings, vanished_run_id = NULL, waiting_run_id = NULL, waiting = 0, active_at = :now
WHERE tenant_id = :tenant_id AND id = :id;

-- name: drop_pending_summary
-- What it stands for is gone.
DELETE FROM pending_summaries WHERE tenant_id = :tenant_id AND session_id = :session_id;

-- name: add_member
-- An agent or a user takes part in the session.
INSERT INTO session_members (tenant_id, session_id, member_id) VALUES (:tenant_id, :session_id, :member_id)
ON CONFLICT (tenant_id, session_id, member_id) DO NOTHING;

-- name: drop_members
-- Nobody takes part in the session.
DELETE FROM session_members WHERE tenant_id = :tenant_id AND session_id = :session_id;

-- name: add_fork
-- From now on these items of the origin are the fork's too.
INSERT INTO forks (tenant_id, origin_id, session_id, first, last) VALUES (:tenant_id, :origin_id, :session_id, :first, :last);
