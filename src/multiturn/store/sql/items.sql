-- name: append_item
-- (session_id, seq) is unique: of two turns that race for a place, one fails.
INSERT INTO items (tenant_id, session_id, seq, run_id, created_at, tokens, status, body)
VALUES (:tenant_id, :session_id, :seq, :run_id, :created_at, :tokens, :status, :body);

-- name: load_items
-- One range of a session's path, oldest first.
SELECT seq, run_id, created_at, tokens, status, body FROM items
WHERE tenant_id = :tenant_id AND session_id = :session_id AND seq >= :first AND seq <= :last ORDER BY seq LIMIT :limit;

-- name: load_items_newest_first
-- One range of a session's path from its end.
SELECT seq, run_id, created_at, tokens, status, body FROM items
WHERE tenant_id = :tenant_id AND session_id = :session_id AND seq >= :first AND seq <= :last ORDER BY seq DESC LIMIT :limit;
