-- name: list_quota_rules
-- What is for all of a kind, and whether there are any of their own: few rows, whatever the number of users.
SELECT kind, body FROM quotas WHERE tenant_id = :tenant_id AND subject_id = :tenant_id
UNION ALL
SELECT kind, NULL FROM (SELECT DISTINCT kind FROM quotas WHERE tenant_id = :tenant_id AND subject_id <> :tenant_id) AS own;

-- name: find_quota
-- One of them.
SELECT body FROM quotas WHERE tenant_id = :tenant_id AND kind = :kind AND subject_id = :subject_id;

-- name: set_quota
-- The last word counts.
INSERT INTO quotas (tenant_id, kind, subject_id, body) VALUES (:tenant_id, :kind, :subject_id, :body)
ON CONFLICT (tenant_id, kind, subject_id) DO UPDATE SET body = excluded.body;

-- name: delete_quota
-- From now on there is none.
DELETE FROM quotas WHERE tenant_id = :tenant_id AND kind = :kind AND subject_id = :subject_id;

-- name: list_quotas
-- With the names of users, which people know.
SELECT q.kind, q.subject_id, q.body, u.external_id FROM quotas q
LEFT JOIN users u ON u.tenant_id = q.tenant_id AND u.id = q.subject_id AND q.kind = 'user'
WHERE q.tenant_id = :tenant_id AND (q.kind, q.subject_id) > (:kind, :subject_id) ORDER BY q.kind, q.subject_id LIMIT :limit;

-- name: drop_quotas
-- The user or the session is gone.
DELETE FROM quotas WHERE tenant_id = :tenant_id AND subject_id = :session_id AND kind IN ('user', 'session');
