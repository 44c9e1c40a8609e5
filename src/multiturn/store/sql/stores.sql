-- name: add_named_store
-- A store with a name is its own owner.
INSERT INTO knowledge_stores (tenant_id, id, owner_kind, owner_id, created_at, updated_at, version, erased, chunks, name, description,
    metadata, ingestion, wire)
VALUES (:tenant_id, :id, 'store', :id, :created_at, :updated_at, 0, 0, 0, :name, :description, :metadata, :ingestion, :wire);

-- name: find_named_store
-- By our id; the private stores of sessions, agents and users have no name.
SELECT tenant_id, id, name, created_at, updated_at, description, metadata, ingestion, chunks, wire FROM knowledge_stores
WHERE tenant_id = :tenant_id AND id = :id AND name IS NOT NULL;

-- name: find_store_by_name
-- Names may be given twice: the newest store counts.
SELECT tenant_id, id, name, created_at, updated_at, description, metadata, ingestion, chunks, wire FROM knowledge_stores
WHERE tenant_id = :tenant_id AND name = :name AND name IS NOT NULL ORDER BY id DESC LIMIT 1;

-- name: list_named_stores
-- The newest first, as ids are in the order of their making.
SELECT tenant_id, id, name, created_at, updated_at, description, metadata, ingestion, chunks, wire FROM knowledge_stores
WHERE tenant_id = :tenant_id AND name IS NOT NULL AND id < :below
ORDER BY id DESC LIMIT :limit OFFSET :offset;

-- name: list_named_stores_oldest_first
-- The same in the order of their making.
SELECT tenant_id, id, name, created_at, updated_at, description, metadata, ingestion, chunks, wire FROM knowledge_stores
WHERE tenant_id = :tenant_id AND name IS NOT NULL AND id > :above
ORDER BY id LIMIT :limit OFFSET :offset;

-- name: sort_named_stores
-- By the last change, newest first, or backwards by name: these are sorted for each page.
SELECT tenant_id, id, name, created_at, updated_at, description, metadata, ingestion, chunks, wire FROM knowledge_stores
WHERE tenant_id = :tenant_id AND name IS NOT NULL
ORDER BY CASE :by WHEN 'updated_at' THEN updated_at ELSE 0 END DESC, CASE :by WHEN 'name' THEN name ELSE '' END DESC, id DESC
LIMIT :limit OFFSET :offset;

-- name: sort_named_stores_oldest_first
-- The same from the other end.
SELECT tenant_id, id, name, created_at, updated_at, description, metadata, ingestion, chunks, wire FROM knowledge_stores
WHERE tenant_id = :tenant_id AND name IS NOT NULL
ORDER BY CASE :by WHEN 'updated_at' THEN updated_at ELSE 0 END, CASE :by WHEN 'name' THEN name ELSE '' END, id
LIMIT :limit OFFSET :offset;

-- name: count_named_stores
-- How many there are, wherever a page begins.
SELECT count(*) FROM knowledge_stores WHERE tenant_id = :tenant_id AND name IS NOT NULL;

-- name: count_items_by_status
-- How far a store is, and how much text it has.
SELECT status, count(*), sum(characters) FROM knowledge_items WHERE tenant_id = :tenant_id AND store_id = :store_id AND asset_id IS NOT NULL
GROUP BY status;

-- name: change_named_store
-- What its maker says of it; what is extracted of its items never changes.
UPDATE knowledge_stores SET name = :name, description = :description, metadata = :metadata, wire = :wire, updated_at = :updated_at
WHERE tenant_id = :tenant_id AND id = :id AND name IS NOT NULL;

-- name: hold_named_store
-- It is still there, and stays until the transaction ends.
SELECT 1 FROM knowledge_stores WHERE tenant_id = :tenant_id AND id = :store_id AND name IS NOT NULL /*postgres: FOR NO KEY UPDATE */;

-- name: retire_named_store
-- From here on nobody finds it, by whatever owner or name; what it holds is erased in small batches.
UPDATE knowledge_stores SET name = NULL, owner_kind = 'retired', description = NULL, metadata = NULL, ingestion = NULL
WHERE tenant_id = :tenant_id AND id = :store_id AND name IS NOT NULL;

-- name: remove_store_jobs
-- Whoever is at work on its items hears that there is nothing more to do.
DELETE FROM jobs WHERE tenant_id = :tenant_id AND kind = 'item' AND subject_id IN (
    SELECT id FROM knowledge_items WHERE tenant_id = :tenant_id AND store_id = :store_id);

-- name: remove_store_members
-- What was in its collections.
DELETE FROM collection_members WHERE tenant_id = :tenant_id AND collection_id IN (
    SELECT id FROM collections WHERE tenant_id = :tenant_id AND store_id = :store_id);

-- name: remove_store_collections
-- Its collections.
DELETE FROM collections WHERE tenant_id = :tenant_id AND store_id = :store_id;

-- name: hold_item_asset
-- The asset is still there, and stays until its item is stored.
SELECT 1 FROM assets WHERE tenant_id = :tenant_id AND id = :asset_id /*postgres: FOR KEY SHARE */;

-- name: add_store_item
-- An asset is in a store once: its digest is made of the asset's id. Its text comes by and by, in parts.
INSERT INTO knowledge_items (tenant_id, id, store_id, asset_id, kind, status, created_at, updated_at, title, progress, metadata, system,
    language, digest, chunks, characters, content)
VALUES (:tenant_id, :id, :store_id, :asset_id, :kind, :status, :created_at, :updated_at, :title, 0, :metadata, :system,
    'english', :digest, 0, 0, '')
ON CONFLICT (tenant_id, store_id, digest) DO NOTHING;

-- name: find_store_item
-- An item of a store that is there: one that was deleted shows nothing from then on, though its items are erased by and by.
SELECT tenant_id, id, store_id, asset_id, kind, status, created_at, updated_at, title, step, progress, error, notes, metadata, system,
    facts, summary, chunks, characters
FROM knowledge_items i WHERE tenant_id = :tenant_id AND id = :id AND asset_id IS NOT NULL AND EXISTS (SELECT 1 FROM knowledge_stores s
    WHERE s.tenant_id = :tenant_id AND s.id = i.store_id AND s.name IS NOT NULL);

-- name: hold_item_job
-- The job of the item that a store made of an asset. Whoever works on an item holds first the job, then the item, then the store; so
-- does whoever changes one of them, or two would wait for each other.
SELECT 1 FROM jobs WHERE tenant_id = :tenant_id AND kind = 'item' AND subject_id IN (
    SELECT id FROM knowledge_items WHERE tenant_id = :tenant_id AND store_id = :store_id AND asset_id = :asset_id)
/*postgres: FOR UPDATE */;

-- name: find_item_of_chunk
-- The item whose id is that of a chunk but for its last digits; two that fit are none.
SELECT tenant_id, id, store_id, asset_id, kind, status, created_at, updated_at, title, step, progress, error, notes, metadata, system,
    facts, summary, chunks, characters
FROM knowledge_items i WHERE tenant_id = :tenant_id AND id >= :first AND id <= :last AND asset_id IS NOT NULL
    AND EXISTS (SELECT 1 FROM knowledge_stores s WHERE s.tenant_id = :tenant_id AND s.id = i.store_id AND s.name IS NOT NULL) LIMIT 2;

-- name: find_item_of_asset
-- The item that a store made of an asset, held until the transaction ends.
SELECT tenant_id, id, store_id, asset_id, kind, status, created_at, updated_at, title, step, progress, error, notes, metadata, system,
    facts, summary, chunks, characters
FROM knowledge_items WHERE tenant_id = :tenant_id AND store_id = :store_id AND asset_id = :asset_id /*postgres: FOR UPDATE */;

-- name: is_store_named
-- Whether a store is there: one that was deleted has items until they are erased, and shows none.
SELECT 1 FROM knowledge_stores WHERE tenant_id = :tenant_id AND id = :store_id AND name IS NOT NULL;

-- name: list_store_items
-- The newest first, as ids are in the order of their making. An empty filter keeps all.
SELECT tenant_id, id, store_id, asset_id, kind, status, created_at, updated_at, title, step, progress, error, notes, metadata, system,
    facts, summary, chunks, characters
FROM knowledge_items i WHERE tenant_id = :tenant_id AND store_id = :store_id AND asset_id IS NOT NULL AND id < :below
    AND (:statuses = '' OR :statuses LIKE '%' || status || '%') AND (:all_assets = 1 OR asset_id = :asset_id)
    AND (:all_collections = 1 OR EXISTS (SELECT 1 FROM collection_members m WHERE m.tenant_id = :tenant_id
        AND m.collection_id = :collection_id AND m.item_id = i.id))
ORDER BY id DESC LIMIT :limit OFFSET :offset;

-- name: list_store_items_oldest_first
-- The same in the order of their making.
SELECT tenant_id, id, store_id, asset_id, kind, status, created_at, updated_at, title, step, progress, error, notes, metadata, system,
    facts, summary, chunks, characters
FROM knowledge_items i WHERE tenant_id = :tenant_id AND store_id = :store_id AND asset_id IS NOT NULL AND id > :above
    AND (:statuses = '' OR :statuses LIKE '%' || status || '%') AND (:all_assets = 1 OR asset_id = :asset_id)
    AND (:all_collections = 1 OR EXISTS (SELECT 1 FROM collection_members m WHERE m.tenant_id = :tenant_id
        AND m.collection_id = :collection_id AND m.item_id = i.id))
ORDER BY id LIMIT :limit OFFSET :offset;

-- name: sort_store_items
-- By the last change, newest first, or backwards by title: these are sorted for each page.
SELECT tenant_id, id, store_id, asset_id, kind, status, created_at, updated_at, title, step, progress, error, notes, metadata, system,
    facts, summary, chunks, characters
FROM knowledge_items i WHERE tenant_id = :tenant_id AND store_id = :store_id AND asset_id IS NOT NULL
    AND (:statuses = '' OR :statuses LIKE '%' || status || '%') AND (:all_assets = 1 OR asset_id = :asset_id)
    AND (:all_collections = 1 OR EXISTS (SELECT 1 FROM collection_members m WHERE m.tenant_id = :tenant_id
        AND m.collection_id = :collection_id AND m.item_id = i.id))
ORDER BY CASE :by WHEN 'updated_at' THEN updated_at ELSE 0 END DESC, CASE :by WHEN 'name' THEN title ELSE '' END DESC, id DESC
LIMIT :limit OFFSET :offset;

-- name: sort_store_items_oldest_first
-- The same from the other end.
SELECT tenant_id, id, store_id, asset_id, kind, status, created_at, updated_at, title, step, progress, error, notes, metadata, system,
    facts, summary, chunks, characters
FROM knowledge_items i WHERE tenant_id = :tenant_id AND store_id = :store_id AND asset_id IS NOT NULL
    AND (:statuses = '' OR :statuses LIKE '%' || status || '%') AND (:all_assets = 1 OR asset_id = :asset_id)
    AND (:all_collections = 1 OR EXISTS (SELECT 1 FROM collection_members m WHERE m.tenant_id = :tenant_id
        AND m.collection_id = :collection_id AND m.item_id = i.id))
ORDER BY CASE :by WHEN 'updated_at' THEN updated_at ELSE 0 END, CASE :by WHEN 'name' THEN title ELSE '' END, id
LIMIT :limit OFFSET :offset;

-- name: count_store_items
-- How many a filter keeps, wherever a page begins.
SELECT count(*) FROM knowledge_items i WHERE tenant_id = :tenant_id AND store_id = :store_id AND asset_id IS NOT NULL
    AND (:statuses = '' OR :statuses LIKE '%' || status || '%') AND (:all_assets = 1 OR asset_id = :asset_id)
    AND (:all_collections = 1 OR EXISTS (SELECT 1 FROM collection_members m WHERE m.tenant_id = :tenant_id
        AND m.collection_id = :collection_id AND m.item_id = i.id));

-- name: requeue_store_item
-- One that failed is indexed again, from the beginning: nothing of its text was kept.
UPDATE knowledge_items SET status = 'queued', step = NULL, error = NULL, progress = 0, updated_at = :now
WHERE tenant_id = :tenant_id AND id = :id AND status = 'failed';

-- name: change_store_item
-- What its owner says of it.
UPDATE knowledge_items SET title = :title, metadata = :metadata, updated_at = :updated_at
WHERE tenant_id = :tenant_id AND store_id = :store_id AND id = :id AND asset_id IS NOT NULL;

-- name: renew_item_segments
-- What searches hold in memory of an item is read anew, with what its owner says of it now.
UPDATE knowledge_segments SET version = :version
WHERE tenant_id = :tenant_id AND store_id = :store_id AND item_id = :id AND version > 0;

-- name: remove_item_members
-- It leaves the collections that it was in.
DELETE FROM collection_members WHERE tenant_id = :tenant_id AND item_id = :id;

-- name: add_collection
-- Of two that race for a name in a store one has it, which is told by the count of 0.
INSERT INTO collections (tenant_id, id, store_id, name, description, metadata, created_at, updated_at)
VALUES (:tenant_id, :id, :store_id, :name, :description, :metadata, :created_at, :updated_at)
ON CONFLICT (tenant_id, store_id, name) DO NOTHING;

-- name: find_collection
-- A collection with its members counted.
SELECT c.tenant_id, c.id, c.store_id, c.name, c.created_at, c.updated_at, c.description, c.metadata,
    (SELECT count(*) FROM collection_members m WHERE m.tenant_id = c.tenant_id AND m.collection_id = c.id)
FROM collections c WHERE c.tenant_id = :tenant_id AND c.store_id = :store_id AND c.id = :id;

-- name: list_collections
-- The newest first, as ids are in the order of their making.
SELECT c.tenant_id, c.id, c.store_id, c.name, c.created_at, c.updated_at, c.description, c.metadata,
    (SELECT count(*) FROM collection_members m WHERE m.tenant_id = c.tenant_id AND m.collection_id = c.id)
FROM collections c WHERE c.tenant_id = :tenant_id AND c.store_id = :store_id
ORDER BY c.id DESC LIMIT :limit OFFSET :offset;

-- name: list_collections_oldest_first
-- The same in the order of their making.
SELECT c.tenant_id, c.id, c.store_id, c.name, c.created_at, c.updated_at, c.description, c.metadata,
    (SELECT count(*) FROM collection_members m WHERE m.tenant_id = c.tenant_id AND m.collection_id = c.id)
FROM collections c WHERE c.tenant_id = :tenant_id AND c.store_id = :store_id
ORDER BY c.id LIMIT :limit OFFSET :offset;

-- name: sort_collections
-- By the last change, newest first, or backwards by name: these are sorted for each page.
SELECT c.tenant_id, c.id, c.store_id, c.name, c.created_at, c.updated_at, c.description, c.metadata,
    (SELECT count(*) FROM collection_members m WHERE m.tenant_id = c.tenant_id AND m.collection_id = c.id)
FROM collections c WHERE c.tenant_id = :tenant_id AND c.store_id = :store_id
ORDER BY CASE :by WHEN 'updated_at' THEN c.updated_at ELSE 0 END DESC, CASE :by WHEN 'name' THEN c.name ELSE '' END DESC, c.id DESC
LIMIT :limit OFFSET :offset;

-- name: sort_collections_oldest_first
-- The same from the other end.
SELECT c.tenant_id, c.id, c.store_id, c.name, c.created_at, c.updated_at, c.description, c.metadata,
    (SELECT count(*) FROM collection_members m WHERE m.tenant_id = c.tenant_id AND m.collection_id = c.id)
FROM collections c WHERE c.tenant_id = :tenant_id AND c.store_id = :store_id
ORDER BY CASE :by WHEN 'updated_at' THEN c.updated_at ELSE 0 END, CASE :by WHEN 'name' THEN c.name ELSE '' END, c.id
LIMIT :limit OFFSET :offset;

-- name: count_collections
-- How many there are, wherever a page begins.
SELECT count(*) FROM collections WHERE tenant_id = :tenant_id AND store_id = :store_id;

-- name: find_collection_by_name
-- Whose name it is in a store.
SELECT id FROM collections WHERE tenant_id = :tenant_id AND store_id = :store_id AND name = :name;

-- name: change_collection
-- What its maker says of it.
UPDATE collections SET name = :name, description = :description, metadata = :metadata, updated_at = :updated_at
WHERE tenant_id = :tenant_id AND store_id = :store_id AND id = :id;

-- name: touch_collection
-- Its members changed; it is held until the transaction ends.
UPDATE collections SET updated_at = :now WHERE tenant_id = :tenant_id AND store_id = :store_id AND id = :id;

-- name: remove_collection
-- Its items stay in the store.
DELETE FROM collections WHERE tenant_id = :tenant_id AND store_id = :store_id AND id = :id;

-- name: remove_collection_members
-- They are in it no more.
DELETE FROM collection_members WHERE tenant_id = :tenant_id AND collection_id = :id;

-- name: hold_store_item
-- The item is in this store, and stays until it is in the collection.
SELECT 1 FROM knowledge_items WHERE tenant_id = :tenant_id AND store_id = :store_id AND id = :item_id AND asset_id IS NOT NULL
/*postgres: FOR KEY SHARE */;

-- name: add_collection_member
-- Twice is once.
INSERT INTO collection_members (tenant_id, collection_id, item_id) VALUES (:tenant_id, :id, :item_id)
ON CONFLICT (tenant_id, collection_id, item_id) DO NOTHING;

-- name: remove_collection_member
-- One that is not in it does not matter.
DELETE FROM collection_members WHERE tenant_id = :tenant_id AND collection_id = :id AND item_id = :item_id;

-- name: list_collection_members
-- What a conversation about a collection is about.
SELECT item_id FROM collection_members WHERE tenant_id = :tenant_id AND collection_id = :id ORDER BY item_id;
