-- name: make_tenant
-- The first to name a tenant makes it.
INSERT INTO tenants (id, name, default_user_id, created_at) VALUES (:tenant_id, :name, :default_user_id, :now) ON CONFLICT (name) DO NOTHING;

-- name: find_tenant
-- across tenants: a tenant is found by its name.
SELECT id, name, default_user_id, created_at FROM tenants WHERE name = :name;

-- name: make_user
-- The first to name a user of a tenant makes it.
INSERT INTO users (tenant_id, id, external_id, created_at) VALUES (:tenant_id, :id, :external_id, :now)
ON CONFLICT (tenant_id, external_id) DO NOTHING;

-- name: find_user
-- A user by the name that the tenant gave it.
SELECT id FROM users WHERE tenant_id = :tenant_id AND external_id = :external_id;

-- name: add_key
-- A secret belongs to one key.
INSERT INTO api_keys (tenant_id, id, user_id, is_bound, label, hint, digest, scopes, created_at, expires_at)
VALUES (:tenant_id, :id, :user_id, :is_bound, :label, :hint, :digest, :scopes, :created_at, :expires_at)
ON CONFLICT (digest) DO NOTHING;

-- name: find_key
-- across tenants: the key says whose request it is.
SELECT k.tenant_id, k.id, k.user_id, k.is_bound, u.external_id, k.label, k.hint, k.scopes, k.created_at, k.expires_at, k.used_at, k.revoked_at
FROM api_keys k LEFT JOIN users u ON u.tenant_id = k.tenant_id AND u.id = k.user_id WHERE k.digest = :digest;

-- name: find_key_by_id
-- One key of a tenant.
SELECT k.tenant_id, k.id, k.user_id, k.is_bound, u.external_id, k.label, k.hint, k.scopes, k.created_at, k.expires_at, k.used_at, k.revoked_at
FROM api_keys k LEFT JOIN users u ON u.tenant_id = k.tenant_id AND u.id = k.user_id WHERE k.tenant_id = :tenant_id AND k.id = :id;

-- name: list_keys
-- A tenant's keys.
SELECT k.tenant_id, k.id, k.user_id, k.is_bound, u.external_id, k.label, k.hint, k.scopes, k.created_at, k.expires_at, k.used_at, k.revoked_at
FROM api_keys k LEFT JOIN users u ON u.tenant_id = k.tenant_id AND u.id = k.user_id WHERE k.tenant_id = :tenant_id ORDER BY k.id;

-- name: note_key_use
-- Of several servers that tell, the latest counts.
UPDATE api_keys SET used_at = :now WHERE tenant_id = :tenant_id AND id = :id AND (used_at IS NULL OR used_at < :now);

-- name: revoke_key
-- From now on it opens nothing.
UPDATE api_keys SET revoked_at = :now WHERE tenant_id = :tenant_id AND id = :id AND revoked_at IS NULL;
