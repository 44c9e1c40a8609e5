-- name: add_prepared_context
-- What was found stays as it was found.
INSERT INTO prepared_contexts (tenant_id, id, user_id, created_at, body) VALUES (:tenant_id, :id, :user_id, :created_at, :body);

-- name: find_prepared_context
-- A user's own, or any of the tenant.
SELECT body FROM prepared_contexts WHERE tenant_id = :tenant_id AND id = :id AND (:all_users = 1 OR user_id = :user_id);

-- name: list_prepared_contexts
-- The newest first, as ids are in the order of their making.
SELECT body FROM prepared_contexts WHERE tenant_id = :tenant_id AND (:all_users = 1 OR user_id = :user_id)
ORDER BY id DESC LIMIT :limit OFFSET :offset;

-- name: count_prepared_contexts
-- How many there are, wherever a page begins.
SELECT count(*) FROM prepared_contexts WHERE tenant_id = :tenant_id AND (:all_users = 1 OR user_id = :user_id);

-- name: remove_prepared_context
-- With what was found for it.
DELETE FROM prepared_contexts WHERE tenant_id = :tenant_id AND id = :id AND (:all_users = 1 OR user_id = :user_id);

-- name: remove_prepared_of_user
-- They hold what the user asked.
DELETE FROM prepared_contexts WHERE tenant_id = :tenant_id AND user_id = :user_id;
