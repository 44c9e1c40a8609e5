-- name: list_sessions_newest
-- The sessions that a filter keeps, in the order in which they were made, from its end.
SELECT tenant_id, id, user_id, external_id, created_at, active_at, idle_expiry_s, instructions, metadata, head, path, cut, run_id,
    settings, shown, cleared, waiting_run_id
FROM sessions
WHERE tenant_id = :tenant_id AND id < :before
    AND (active_at + coalesce(idle_expiry_s, 0) * 1000 > :now OR idle_expiry_s IS NULL OR run_id IS NOT NULL
        OR waiting_run_id IS NOT NULL)
    AND (CAST(:owner_id AS {uuid}) IS NULL OR user_id = :owner_id)
    AND (CAST(:agent_id AS {uuid}) IS NULL OR EXISTS (
        SELECT 1 FROM session_members WHERE tenant_id = :tenant_id AND session_id = sessions.id AND member_id = :agent_id))
    AND active_at > :active_after AND active_at < :active_before
    AND (:wanted = '{}' OR (metadata <> '{}' AND metadata_contains(metadata, :wanted)))
ORDER BY id DESC LIMIT :limit OFFSET :offset;

-- name: list_sessions_oldest
-- The same from its beginning.
SELECT tenant_id, id, user_id, external_id, created_at, active_at, idle_expiry_s, instructions, metadata, head, path, cut, run_id,
    settings, shown, cleared, waiting_run_id
FROM sessions
WHERE tenant_id = :tenant_id AND id < :before
    AND (active_at + coalesce(idle_expiry_s, 0) * 1000 > :now OR idle_expiry_s IS NULL OR run_id IS NOT NULL
        OR waiting_run_id IS NOT NULL)
    AND (CAST(:owner_id AS {uuid}) IS NULL OR user_id = :owner_id)
    AND (CAST(:agent_id AS {uuid}) IS NULL OR EXISTS (
        SELECT 1 FROM session_members WHERE tenant_id = :tenant_id AND session_id = sessions.id AND member_id = :agent_id))
    AND active_at > :active_after AND active_at < :active_before
    AND (:wanted = '{}' OR (metadata <> '{}' AND metadata_contains(metadata, :wanted)))
ORDER BY id LIMIT :limit OFFSET :offset;

-- name: list_sessions_active_last
-- The same by their last use, the latest first.
SELECT tenant_id, id, user_id, external_id, created_at, active_at, idle_expiry_s, instructions, metadata, head, path, cut, run_id,
    settings, shown, cleared, waiting_run_id
FROM sessions
WHERE tenant_id = :tenant_id AND id < :before
    AND (active_at + coalesce(idle_expiry_s, 0) * 1000 > :now OR idle_expiry_s IS NULL OR run_id IS NOT NULL
        OR waiting_run_id IS NOT NULL)
    AND (CAST(:owner_id AS {uuid}) IS NULL OR user_id = :owner_id)
    AND (CAST(:agent_id AS {uuid}) IS NULL OR EXISTS (
        SELECT 1 FROM session_members WHERE tenant_id = :tenant_id AND session_id = sessions.id AND member_id = :agent_id))
    AND active_at > :active_after AND active_at < :active_before
    AND (:wanted = '{}' OR (metadata <> '{}' AND metadata_contains(metadata, :wanted)))
ORDER BY active_at DESC, id DESC LIMIT :limit OFFSET :offset;

-- name: list_sessions_active_first
-- The same, the one that was used longest ago first.
SELECT tenant_id, id, user_id, external_id, created_at, active_at, idle_expiry_s, instructions, metadata, head, path, cut, run_id,
    settings, shown, cleared, waiting_run_id
FROM sessions
WHERE tenant_id = :tenant_id AND id < :before
    AND (active_at + coalesce(idle_expiry_s, 0) * 1000 > :now OR idle_expiry_s IS NULL OR run_id IS NOT NULL
        OR waiting_run_id IS NOT NULL)
    AND (CAST(:owner_id AS {uuid}) IS NULL OR user_id = :owner_id)
    AND (CAST(:agent_id AS {uuid}) IS NULL OR EXISTS (
        SELECT 1 FROM session_members WHERE tenant_id = :tenant_id AND session_id = sessions.id AND member_id = :agent_id))
    AND active_at > :active_after AND active_at < :active_before
    AND (:wanted = '{}' OR (metadata <> '{}' AND metadata_contains(metadata, :wanted)))
ORDER BY active_at, id LIMIT :limit OFFSET :offset;

-- name: list_sessions_of_user
-- The same of a user, who owns them or takes part in them: few, so they are sorted when they were
-- found. (active_at + 0 is no index's business: it would lead through everybody's.)
SELECT tenant_id, id, user_id, external_id, created_at, active_at, idle_expiry_s, instructions, metadata, head, path, cut, run_id,
    settings, shown, cleared, waiting_run_id
FROM sessions
WHERE tenant_id = :tenant_id AND id < :before AND id IN (
        SELECT session_id FROM session_members WHERE tenant_id = :tenant_id AND member_id = :user_id
        UNION SELECT id FROM sessions WHERE tenant_id = :tenant_id AND user_id = :user_id)
    AND (active_at + coalesce(idle_expiry_s, 0) * 1000 > :now OR idle_expiry_s IS NULL OR run_id IS NOT NULL
        OR waiting_run_id IS NOT NULL)
    AND (CAST(:owner_id AS {uuid}) IS NULL OR user_id = :owner_id)
    AND (CAST(:agent_id AS {uuid}) IS NULL OR EXISTS (
        SELECT 1 FROM session_members WHERE tenant_id = :tenant_id AND session_id = sessions.id AND member_id = :agent_id))
    AND active_at + 0 > :active_after AND active_at + 0 < :active_before
    AND (:wanted = '{}' OR (metadata <> '{}' AND metadata_contains(metadata, :wanted)))
ORDER BY CASE WHEN :sort = 'active_last' THEN active_at END DESC, CASE WHEN :sort = 'active_first' THEN active_at END,
    CASE WHEN :sort IN ('oldest', 'active_first') THEN id END, id DESC LIMIT :limit OFFSET :offset;

-- name: find_words
-- Items of one range of a session's path whose JSON holds a text, case aside where it is ASCII: what they say is read then.
SELECT body FROM items
WHERE tenant_id = :tenant_id AND session_id = :session_id AND seq >= :first AND seq <= :last AND body /*postgres: I*/LIKE :pattern ESCAPE '!';

-- name: list_items_between
-- One range of a session's path within a stretch of time, oldest first.
SELECT seq, run_id, created_at, tokens, status, body FROM items
WHERE tenant_id = :tenant_id AND session_id = :session_id AND seq >= :first AND seq <= :last
    AND created_at > :since AND created_at < :until
ORDER BY seq LIMIT :limit;

-- name: list_items_between_newest_first
-- The same from its end.
SELECT seq, run_id, created_at, tokens, status, body FROM items
WHERE tenant_id = :tenant_id AND session_id = :session_id AND seq >= :first AND seq <= :last
    AND created_at > :since AND created_at < :until
ORDER BY seq DESC LIMIT :limit;
