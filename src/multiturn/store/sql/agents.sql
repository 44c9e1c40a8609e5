-- name: add_agent
-- Neither the id nor the canonical name may be another agent's.
INSERT INTO agents (tenant_id, id, version, created_at, updated_at, canonical_name, metadata, body)
VALUES (:tenant_id, :id, :version, :created_at, :updated_at, :canonical_name, :metadata, :body) ON CONFLICT DO NOTHING;

-- name: add_agent_version
-- Every version stays, the present one included.
INSERT INTO agent_versions (tenant_id, agent_id, version, created_at, metadata, body)
VALUES (:tenant_id, :id, :version, :updated_at, :metadata, :body);

-- name: find_agent
-- As it stands.
SELECT tenant_id, id, version, created_at, updated_at, metadata, body FROM agents WHERE tenant_id = :tenant_id AND id = :id;

-- name: lock_agent
-- The same, which nobody changes until this transaction ends.
SELECT tenant_id, id, version, created_at, updated_at, metadata, body FROM agents WHERE tenant_id = :tenant_id AND id = :id
/*postgres: FOR UPDATE */;

-- name: find_agent_by_name
-- By the name that its tenant gave it.
SELECT tenant_id, id, version, created_at, updated_at, metadata, body FROM agents
WHERE tenant_id = :tenant_id AND canonical_name = :canonical_name;

-- name: change_agent
-- What it is from now on.
UPDATE agents SET version = :version, updated_at = :updated_at, canonical_name = :canonical_name, metadata = :metadata, body = :body
WHERE tenant_id = :tenant_id AND id = :id;

-- name: list_agents
-- Newest first. Rows of one millisecond are told apart by their id, so that the next page begins where this one ended.
SELECT tenant_id, id, version, created_at, updated_at, metadata, body FROM agents
WHERE tenant_id = :tenant_id AND (created_at, id) < (:at, :id)
    AND (:wanted = '{}' OR metadata_contains(metadata, :wanted))
ORDER BY created_at DESC, id DESC LIMIT :limit OFFSET :offset;

-- name: list_agents_oldest_first
-- The same from the other end.
SELECT tenant_id, id, version, created_at, updated_at, metadata, body FROM agents
WHERE tenant_id = :tenant_id AND (created_at, id) > (:at, :id)
    AND (:wanted = '{}' OR metadata_contains(metadata, :wanted))
ORDER BY created_at ASC, id ASC LIMIT :limit OFFSET :offset;

-- name: list_agents_by_update
-- Those that were changed last come first.
SELECT tenant_id, id, version, created_at, updated_at, metadata, body FROM agents
WHERE tenant_id = :tenant_id AND (updated_at, id) < (:at, :id)
    AND (:wanted = '{}' OR metadata_contains(metadata, :wanted))
ORDER BY updated_at DESC, id DESC LIMIT :limit OFFSET :offset;

-- name: list_agents_by_update_oldest_first
-- The same from the other end.
SELECT tenant_id, id, version, created_at, updated_at, metadata, body FROM agents
WHERE tenant_id = :tenant_id AND (updated_at, id) > (:at, :id)
    AND (:wanted = '{}' OR metadata_contains(metadata, :wanted))
ORDER BY updated_at ASC, id ASC LIMIT :limit OFFSET :offset;

-- name: list_agent_versions
-- Newest first.
SELECT version, created_at, metadata, body FROM agent_versions
WHERE tenant_id = :tenant_id AND agent_id = :id AND version < :before ORDER BY version DESC LIMIT :limit;

-- name: find_agent_version
-- An agent as it was.
SELECT version, created_at, metadata, body FROM agent_versions
WHERE tenant_id = :tenant_id AND agent_id = :id AND version = :version;

-- name: remove_agent
-- Sessions that name it go on without it.
DELETE FROM agents WHERE tenant_id = :tenant_id AND id = :id;

-- name: remove_agent_versions
-- With all that it was.
DELETE FROM agent_versions WHERE tenant_id = :tenant_id AND agent_id = :id;
