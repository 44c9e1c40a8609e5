-- name: add_user
-- Neither the id nor the external id may be another user's.
INSERT INTO users (tenant_id, id, external_id, created_at, updated_at, name, about, project, metadata)
VALUES (:tenant_id, :id, :external_id, :created_at, :updated_at, :name, :about, :project, :metadata) ON CONFLICT DO NOTHING;

-- name: find_user_by_id
-- Our own id.
SELECT tenant_id, id, external_id, created_at, updated_at, name, about, project, metadata FROM users WHERE tenant_id = :tenant_id AND id = :id;

-- name: find_user_by_external_id
-- The name that the application uses.
SELECT tenant_id, id, external_id, created_at, updated_at, name, about, project, metadata FROM users
WHERE tenant_id = :tenant_id AND external_id = :external_id;

-- name: lock_user
-- The user, whom nobody changes until this transaction ends.
SELECT tenant_id, id, external_id, created_at, updated_at, name, about, project, metadata FROM users WHERE tenant_id = :tenant_id AND id = :id
/*postgres: FOR UPDATE */;

-- name: change_user
-- What it is from now on.
UPDATE users SET external_id = :external_id, updated_at = :updated_at, name = :name, about = :about, project = :project,
    metadata = :metadata
WHERE tenant_id = :tenant_id AND id = :id;

-- name: list_users
-- Newest first. Rows of one millisecond are told apart by their id, so that the next page begins where this one ended.
SELECT tenant_id, id, external_id, created_at, updated_at, name, about, project, metadata FROM users
WHERE tenant_id = :tenant_id AND (created_at, id) < (:at, :id) AND external_id <> ''
    AND (:wanted = '{}' OR metadata_contains(coalesce(metadata, '{}'), :wanted))
ORDER BY created_at DESC, id DESC LIMIT :limit OFFSET :offset;

-- name: list_users_oldest_first
-- The same from the other end.
SELECT tenant_id, id, external_id, created_at, updated_at, name, about, project, metadata FROM users
WHERE tenant_id = :tenant_id AND (created_at, id) > (:at, :id) AND external_id <> ''
    AND (:wanted = '{}' OR metadata_contains(coalesce(metadata, '{}'), :wanted))
ORDER BY created_at ASC, id ASC LIMIT :limit OFFSET :offset;

-- name: list_users_by_update
-- Those that were changed last come first.
SELECT tenant_id, id, external_id, created_at, updated_at, name, about, project, metadata FROM users
WHERE tenant_id = :tenant_id AND (coalesce(updated_at, created_at), id) < (:at, :id) AND external_id <> ''
    AND (:wanted = '{}' OR metadata_contains(coalesce(metadata, '{}'), :wanted))
ORDER BY coalesce(updated_at, created_at) DESC, id DESC LIMIT :limit OFFSET :offset;

-- name: list_users_by_update_oldest_first
-- The same from the other end.
SELECT tenant_id, id, external_id, created_at, updated_at, name, about, project, metadata FROM users
WHERE tenant_id = :tenant_id AND (coalesce(updated_at, created_at), id) > (:at, :id) AND external_id <> ''
    AND (:wanted = '{}' OR metadata_contains(coalesce(metadata, '{}'), :wanted))
ORDER BY coalesce(updated_at, created_at) ASC, id ASC LIMIT :limit OFFSET :offset;

-- name: remove_user
-- The last that is left of it.
DELETE FROM users WHERE tenant_id = :tenant_id AND id = :id;

-- name: revoke_user_keys
-- A key of a user that is gone opens nothing; a key of the tenant that only acted for it stays good.
UPDATE api_keys SET revoked_at = :now
WHERE tenant_id = :tenant_id AND user_id = :user_id AND is_bound = 1 AND revoked_at IS NULL
RETURNING id;
