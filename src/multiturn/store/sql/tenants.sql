-- name: hold_tenant
-- Of two that change what must be unique in a tenant, one waits for the other (SQLite has one writer anyway).
SELECT id FROM tenants WHERE id = :tenant_id /*postgres: FOR UPDATE */;

-- name: find_tenant_by_id
-- The tenant itself.
SELECT id, name, default_user_id, created_at FROM tenants WHERE id = :tenant_id;

-- name: find_policy
-- What the tenant sets for all its sessions.
SELECT policy FROM tenants WHERE id = :tenant_id;

-- name: lock_policy
-- The same, which nobody changes until this transaction ends.
SELECT policy FROM tenants WHERE id = :tenant_id /*postgres: FOR UPDATE */;

-- name: set_policy
-- From now on; every server is told.
UPDATE tenants SET policy = :policy WHERE id = :tenant_id;
