-- name: find_knowledge_stores
-- The stores of the owners of one turn or search, in one step: most have none, and a turn asks each time.
SELECT id, owner_kind, owner_id, version, erased, chunks FROM knowledge_stores
WHERE tenant_id = :tenant_id AND owner_id IN (:owner_1, :owner_2, :owner_3, :owner_4);

-- name: hold_session_owner
-- The session is still there, and stays until the document is in its store.
SELECT 1 FROM sessions WHERE tenant_id = :tenant_id AND id = :id /*postgres: FOR KEY SHARE */;

-- name: hold_agent_owner
-- The same of an agent.
SELECT 1 FROM agents WHERE tenant_id = :tenant_id AND id = :id /*postgres: FOR KEY SHARE */;

-- name: hold_user_owner
-- The same of a user.
SELECT 1 FROM users WHERE tenant_id = :tenant_id AND id = :id /*postgres: FOR KEY SHARE */;

-- name: hold_store_owner
-- A store with a name is its own owner: it is there from the beginning.
SELECT 1 FROM knowledge_stores WHERE tenant_id = :tenant_id AND id = :id AND name IS NOT NULL /*postgres: FOR NO KEY UPDATE */;

-- name: make_knowledge_store
-- A store is made with its first document; of two that race for it one makes it.
INSERT INTO knowledge_stores (tenant_id, id, owner_kind, owner_id, created_at, version, erased, chunks)
VALUES (:tenant_id, :id, :owner_kind, :owner_id, :now, 0, 0, 0)
ON CONFLICT (tenant_id, owner_id, owner_kind) DO NOTHING;

-- name: grow_knowledge_store
-- A document comes in. Until the transaction ends the row is locked: who sees this version sees all that belongs to it.
UPDATE knowledge_stores SET version = version + 1, chunks = chunks + :chunks
WHERE tenant_id = :tenant_id AND owner_id = :owner_id AND owner_kind = :owner_kind
RETURNING id, version, chunks;

-- name: renew_knowledge_store
-- Something in it was written anew.
UPDATE knowledge_stores SET version = version + 1 WHERE tenant_id = :tenant_id AND id = :store_id
RETURNING version;

-- name: shrink_knowledge_store
-- Documents were taken away: what servers hold of the store in memory is read anew.
UPDATE knowledge_stores SET version = version + 1, erased = version + 1, chunks = chunks - :chunks
WHERE tenant_id = :tenant_id AND id = :store_id;

-- name: add_knowledge_item
-- The same title and content twice in one store is told by the count of 0.
INSERT INTO knowledge_items (tenant_id, id, store_id, created_at, title, metadata, language, digest, chunks, characters, parts, content)
VALUES (:tenant_id, :id, :store_id, :now, :title, :metadata, :language, :digest, :chunks, :characters, :parts, :content)
ON CONFLICT (tenant_id, store_id, digest) DO NOTHING;

-- name: find_knowledge_digest
-- Which document has this title and content already.
SELECT id FROM knowledge_items WHERE tenant_id = :tenant_id AND store_id = :store_id AND digest = :digest;

-- name: add_knowledge_segment
-- The index of a batch of chunks, in the transaction of its document.
INSERT INTO knowledge_segments (tenant_id, store_id, item_id, number, version, model, body, modality)
VALUES (:tenant_id, :store_id, :item_id, :number, :version, :model, :body, :modality);

-- name: find_knowledge_item
-- A document with its content. It is embedded when no segment lacks vectors of the present model.
SELECT i.id, i.store_id, s.owner_kind, s.owner_id, i.created_at, i.title, i.metadata, i.language, i.chunks,
    NOT EXISTS (SELECT 1 FROM knowledge_segments g WHERE g.tenant_id = i.tenant_id AND g.store_id = i.store_id
        AND g.item_id = i.id AND (g.model IS NULL OR g.model <> :model)),
    i.parts, i.content, i.asset_id, i.kind
FROM knowledge_items i JOIN knowledge_stores s ON s.tenant_id = i.tenant_id AND s.id = i.store_id
WHERE i.tenant_id = :tenant_id AND i.id = :id;

-- name: list_knowledge_items
-- The newest first, without contents: how many of them fit into a page is told by their characters.
SELECT i.id, i.characters
FROM knowledge_items i JOIN knowledge_stores s ON s.tenant_id = i.tenant_id AND s.id = i.store_id
WHERE s.tenant_id = :tenant_id AND s.owner_id = :owner_id AND s.owner_kind = :owner_kind AND i.id < :cursor
    AND (:metadata = '{}' OR metadata_contains(i.metadata, :metadata))
ORDER BY i.id DESC LIMIT :limit OFFSET :offset;

-- name: list_knowledge_items_oldest_first
-- The same in the order of their making.
SELECT i.id, i.characters
FROM knowledge_items i JOIN knowledge_stores s ON s.tenant_id = i.tenant_id AND s.id = i.store_id
WHERE s.tenant_id = :tenant_id AND s.owner_id = :owner_id AND s.owner_kind = :owner_kind AND i.id > :cursor
    AND (:metadata = '{}' OR metadata_contains(i.metadata, :metadata))
ORDER BY i.id LIMIT :limit OFFSET :offset;

-- name: list_knowledge_changes
-- What was written since a version, in its order: (version, item_id, number) of the last one seen is where to go on.
SELECT g.version, g.number, g.model, g.body, g.modality,
    i.id, i.created_at, i.title, i.metadata, i.language, i.chunks, i.parts, i.asset_id, i.kind
FROM knowledge_segments g JOIN knowledge_items i ON i.tenant_id = g.tenant_id AND i.id = g.item_id
WHERE g.tenant_id = :tenant_id AND g.store_id = :store_id AND (g.version, g.item_id, g.number) > (:version, :item_id, :number)
ORDER BY g.version, g.item_id, g.number LIMIT :limit;

-- name: list_knowledge_heads
-- The documents of a store without their contents: what is in memory of it is brought up to date.
SELECT id, created_at, title, metadata, language, chunks, parts, asset_id, kind FROM knowledge_items
WHERE tenant_id = :tenant_id AND store_id = :store_id;

-- name: list_knowledge_versions
-- The segments that are to be found there now: one of another version was written anew, one that is missing was taken away.
SELECT item_id, number, version FROM knowledge_segments
WHERE tenant_id = :tenant_id AND store_id = :store_id AND version > 0;

-- name: load_knowledge_text
-- The characters of one chunk, and of an asset the part that they stand in: the last that begins before them. Places count from 1.
SELECT p.starts, p.modality, p.start_ms, p.end_ms, p.place,
    substr(CASE WHEN p.starts IS NULL THEN i.content ELSE p.body END,
        CAST(:start - coalesce(p.starts, 0) + 1 AS INTEGER), CAST(:length AS INTEGER))
FROM knowledge_items i LEFT JOIN knowledge_parts p ON p.tenant_id = i.tenant_id AND p.item_id = i.id
    AND i.asset_id IS NOT NULL
    AND p.starts = (SELECT max(q.starts) FROM knowledge_parts q
        WHERE q.tenant_id = :tenant_id AND q.item_id = :id AND q.starts <= :start)
WHERE i.tenant_id = :tenant_id AND i.id = :id;

-- name: remove_knowledge_segments
-- The index of a document goes before the document.
DELETE FROM knowledge_segments WHERE tenant_id = :tenant_id AND store_id = :store_id AND item_id = :id;

-- name: remove_knowledge_item
-- The document goes; of two that delete it one finds it.
DELETE FROM knowledge_items WHERE tenant_id = :tenant_id AND store_id = :store_id AND id = :id RETURNING chunks;

-- name: find_due_knowledge_item
-- across tenants: the background looks for any document that has no vectors of the present model, and nobody at work on it. Items of
-- files have a query of their own.
SELECT i.tenant_id, i.id FROM knowledge_segments g JOIN knowledge_items i ON i.tenant_id = g.tenant_id AND i.id = g.item_id
WHERE (g.model IS NULL OR g.model < :model OR g.model > :model) AND i.asset_id IS NULL
    AND (i.claimed_until IS NULL OR i.claimed_until < :now)
LIMIT 1;

-- name: claim_knowledge_item
-- One server makes its vectors; when it dies, or fails at it, another try begins after the claim.
UPDATE knowledge_items SET claimed_until = :until
WHERE tenant_id = :tenant_id AND id = :id AND (claimed_until IS NULL OR claimed_until < :now);

-- name: release_knowledge_item
-- The work on it went well: what is left of it may go on at once.
UPDATE knowledge_items SET claimed_until = NULL WHERE tenant_id = :tenant_id AND id = :id;

-- name: list_due_knowledge_segments
-- The segments of a document without vectors of the present model.
SELECT number, model, version, body, modality FROM knowledge_segments
WHERE tenant_id = :tenant_id AND store_id = :store_id AND item_id = :item_id AND (model IS NULL OR model <> :model)
ORDER BY number LIMIT :limit;

-- name: save_knowledge_vectors
-- The segment with its vectors, unless its document was deleted meanwhile.
UPDATE knowledge_segments SET model = :model, body = :body, version = :version
WHERE tenant_id = :tenant_id AND store_id = :store_id AND item_id = :item_id AND number = :number;
