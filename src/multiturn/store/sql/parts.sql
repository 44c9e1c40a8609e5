-- name: save_item_progress
-- How far the indexing of an item is; its title and metadata are its owner's and may change meanwhile.
UPDATE knowledge_items SET status = :status, step = :step, progress = :progress, error = :error, notes = :notes, system = :system,
    facts = :facts, summary = :summary, characters = :characters, updated_at = :now
WHERE tenant_id = :tenant_id AND id = :id AND store_id = :store_id;

-- name: rewind_item
-- Its text goes: whoever takes it up again reads it first.
UPDATE knowledge_items SET step = 'read', characters = 0
WHERE tenant_id = :tenant_id AND id = :id AND store_id = :store_id AND step <> 'probe';

-- name: rename_item
-- What is known of it now names it better, unless somebody gave it a name meanwhile.
UPDATE knowledge_items SET title = :title WHERE tenant_id = :tenant_id AND id = :id AND title = :before;

-- name: add_item_part
-- A piece of what a reader found, in the transaction that holds the claim of whoever reads.
INSERT INTO knowledge_parts (tenant_id, store_id, item_id, starts, length, modality, start_ms, end_ms, place, body)
VALUES (:tenant_id, :store_id, :item_id, :starts, :length, :modality, :start_ms, :end_ms, :place, :body);

-- name: erase_item_parts
-- A small batch, so that turns never wait for it.
DELETE FROM knowledge_parts WHERE tenant_id = :tenant_id AND item_id = :item_id AND starts IN (
    SELECT starts FROM knowledge_parts WHERE tenant_id = :tenant_id AND item_id = :item_id ORDER BY starts LIMIT :limit);

-- name: erase_item_segments
-- The same of its index.
DELETE FROM knowledge_segments WHERE tenant_id = :tenant_id AND store_id = :store_id AND item_id = :item_id AND number IN (
    SELECT number FROM knowledge_segments WHERE tenant_id = :tenant_id AND store_id = :store_id AND item_id = :item_id
    ORDER BY number LIMIT :limit);

-- name: list_item_parts
-- A stretch of an item's text in its order, of one modality where that is asked for.
SELECT starts, modality, place, body FROM knowledge_parts
WHERE tenant_id = :tenant_id AND item_id = :item_id AND starts > :after AND (:modality = '' OR modality = :modality)
ORDER BY starts LIMIT :limit;

-- name: list_item_parts_between
-- What is heard or seen in a stretch of time; a part that ends where the stretch begins is not in it.
SELECT starts, modality, place, body FROM knowledge_parts
WHERE tenant_id = :tenant_id AND item_id = :item_id AND start_ms < :end_ms AND end_ms > :start_ms
ORDER BY start_ms, starts LIMIT :limit;

-- name: find_item_part
-- The part that holds a character of an item's text.
SELECT starts, modality, place, body, length FROM knowledge_parts
WHERE tenant_id = :tenant_id AND item_id = :item_id AND starts <= :at ORDER BY starts DESC LIMIT 1;

-- name: save_item_segment
-- A batch of chunks of an item that is not published; it is written anew where a worker died behind it.
INSERT INTO knowledge_segments (tenant_id, store_id, item_id, number, version, model, body, modality)
VALUES (:tenant_id, :store_id, :item_id, :number, 0, :model, :body, :modality)
ON CONFLICT (tenant_id, store_id, item_id, number) DO UPDATE
SET version = 0, model = excluded.model, body = excluded.body, modality = excluded.modality;

-- name: list_item_segments
-- What an item's index has, and what is missing in it.
SELECT number, model FROM knowledge_segments
WHERE tenant_id = :tenant_id AND store_id = :store_id AND item_id = :item_id ORDER BY number;

-- name: find_item_segment
-- One batch of chunks.
SELECT model, version, body, modality FROM knowledge_segments
WHERE tenant_id = :tenant_id AND store_id = :store_id AND item_id = :item_id AND number = :number;

-- name: count_item_chunks
-- What an item added to its store, which is held until the transaction ends.
SELECT chunks FROM knowledge_items WHERE tenant_id = :tenant_id AND id = :id AND store_id = :store_id /*postgres: FOR UPDATE */;

-- name: publish_item_segments
-- From here on searches see the item, all of it at once.
UPDATE knowledge_segments SET version = :version WHERE tenant_id = :tenant_id AND store_id = :store_id AND item_id = :item_id;

-- name: save_item_chunks
-- What the item adds to its store; 0 while nothing of it is published.
UPDATE knowledge_items SET chunks = :chunks WHERE tenant_id = :tenant_id AND id = :id AND store_id = :store_id;

-- name: find_due_item
-- across tenants: the background looks for any item that can be found and has no vectors of the present model, and nobody at work on it.
SELECT i.tenant_id, i.store_id, i.id, i.title
FROM knowledge_segments g JOIN knowledge_items i ON i.tenant_id = g.tenant_id AND i.id = g.item_id
WHERE (g.model IS NULL OR g.model < :model OR g.model > :model) AND g.version > 0 AND i.asset_id IS NOT NULL
    AND (i.claimed_until IS NULL OR i.claimed_until < :now)
LIMIT 1;

-- name: list_due_item_segments
-- Its first segments of that kind; either all of an item's are published or none.
SELECT number, model, version, body, modality FROM knowledge_segments
WHERE tenant_id = :tenant_id AND store_id = :store_id AND item_id = :item_id AND (model IS NULL OR model <> :model)
ORDER BY number LIMIT :limit;

-- name: save_item_vectors
-- The segment with its vectors, unless its item was deleted meanwhile, or is read anew.
UPDATE knowledge_segments SET model = :model, body = :body, version = :version
WHERE tenant_id = :tenant_id AND store_id = :store_id AND item_id = :item_id AND number = :number AND version > 0;

-- name: find_ingestion_schema
-- What a description of facts was understood as.
SELECT ingestion_schema FROM knowledge_stores WHERE tenant_id = :tenant_id AND id = :store_id AND ingestion_schema IS NOT NULL;

-- name: save_ingestion_schema
-- Made once, so that all items of a store have the same facts.
UPDATE knowledge_stores SET ingestion_schema = :schema WHERE tenant_id = :tenant_id AND id = :store_id AND ingestion_schema IS NULL;
