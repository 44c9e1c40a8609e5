-- name: beat
-- The server lives; the database's own clock decides for how long, so that servers need not agree on the time.
INSERT INTO servers (id, expires_at) VALUES (:id, {now_ms} + :lease_ms) ON CONFLICT (id) DO UPDATE SET expires_at = {now_ms} + :lease_ms;

-- name: find_live_server
-- Whether a server was heard of within the length of a lease.
SELECT 1 FROM servers WHERE id = :id AND expires_at > {now_ms};

-- name: forget_server
-- The server said goodbye.
DELETE FROM servers WHERE id = :id;

-- name: forget_servers
-- A SQLite file has one owner: who is named in it when it is opened has died, and its runs end at once.
DELETE FROM servers;

-- name: forget_dead_servers
-- across tenants: a server is forgotten when nothing unfinished is its own, whosever it was.
DELETE FROM servers WHERE expires_at < {now_ms} AND NOT EXISTS (
    SELECT 1 FROM runs WHERE runs.server_id = servers.id AND runs.status IN ('queued', 'in_progress'));
