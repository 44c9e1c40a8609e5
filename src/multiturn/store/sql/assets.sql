-- name: add_asset
-- Its job, and its upload where it comes in parts, follow in the same transaction.
INSERT INTO assets (tenant_id, id, alias, created_at, updated_at, method, status, filename, mime, kind, size_bytes, duration_ms, pages,
    digest, url, technical, metadata, purpose, error, hls, hls_error, thumbnail)
VALUES (:tenant_id, :id, :alias, :created_at, :updated_at, :method, :status, :filename, :mime, :kind, :size_bytes, :duration_ms, :pages,
    :digest, :url, :technical, :metadata, :purpose, :error, :hls, :hls_error, :thumbnail);

-- name: find_asset
-- By our id.
SELECT tenant_id, id, alias, created_at, updated_at, method, status, filename, mime, kind, size_bytes, duration_ms, pages, digest, url,
    technical, metadata, purpose, error, hls, hls_error, thumbnail
FROM assets WHERE tenant_id = :tenant_id AND id = :id;

-- name: find_asset_by_alias
-- By its short id.
SELECT tenant_id, id, alias, created_at, updated_at, method, status, filename, mime, kind, size_bytes, duration_ms, pages, digest, url,
    technical, metadata, purpose, error, hls, hls_error, thumbnail
FROM assets WHERE tenant_id = :tenant_id AND alias = :alias;

-- name: lock_asset
-- What it has now for metadata; nobody else changes it until this transaction ends.
SELECT metadata FROM assets WHERE tenant_id = :tenant_id AND id = :id /*postgres: FOR UPDATE */;

-- name: list_assets
-- Newest first. Ids are in the order in which they were made. An empty filter keeps all; upper and lower case of a filename are one.
SELECT tenant_id, id, alias, created_at, updated_at, method, status, filename, mime, kind, size_bytes, duration_ms, pages, digest, url,
    technical, metadata, purpose, error, hls, hls_error, thumbnail
FROM assets WHERE tenant_id = :tenant_id AND id < :cursor
    AND (:kinds = '' OR :kinds LIKE '%' || kind || '%')
    AND (:pattern = '' OR lower(filename) LIKE lower(:pattern) ESCAPE '!')
    AND (:purpose = '' OR purpose = :purpose)
ORDER BY id DESC LIMIT :limit OFFSET :offset;

-- name: list_assets_oldest_first
-- The same from the other end.
SELECT tenant_id, id, alias, created_at, updated_at, method, status, filename, mime, kind, size_bytes, duration_ms, pages, digest, url,
    technical, metadata, purpose, error, hls, hls_error, thumbnail
FROM assets WHERE tenant_id = :tenant_id AND id > :cursor
    AND (:kinds = '' OR :kinds LIKE '%' || kind || '%')
    AND (:pattern = '' OR lower(filename) LIKE lower(:pattern) ESCAPE '!')
    AND (:purpose = '' OR purpose = :purpose)
ORDER BY id ASC LIMIT :limit OFFSET :offset;

-- name: list_assets_by_digest
-- Those with the same bytes; a client asks before it sends a file again.
SELECT tenant_id, id, alias, created_at, updated_at, method, status, filename, mime, kind, size_bytes, duration_ms, pages, digest, url,
    technical, metadata, purpose, error, hls, hls_error, thumbnail
FROM assets WHERE tenant_id = :tenant_id AND digest = :digest ORDER BY id DESC LIMIT :limit;

-- name: count_assets
-- How many a filter keeps, wherever a page begins.
SELECT count(*) FROM assets WHERE tenant_id = :tenant_id
    AND (:kinds = '' OR :kinds LIKE '%' || kind || '%')
    AND (:pattern = '' OR lower(filename) LIKE lower(:pattern) ESCAPE '!')
    AND (:purpose = '' OR purpose = :purpose);

-- name: change_asset
-- What its job found out. Metadata are the client's, who may change them meanwhile.
UPDATE assets SET updated_at = :updated_at, status = :status, filename = :filename, mime = :mime, kind = :kind, size_bytes = :size_bytes,
    duration_ms = :duration_ms, pages = :pages, digest = :digest, technical = :technical, error = :error, hls = :hls,
    hls_error = :hls_error, thumbnail = :thumbnail
WHERE tenant_id = :tenant_id AND id = :id;

-- name: change_asset_metadata
-- What the client says of it from now on; NULL as if it never had said anything.
UPDATE assets SET metadata = :metadata, updated_at = :updated_at WHERE tenant_id = :tenant_id AND id = :id;

-- name: list_items_of_asset
-- Where it is in use; a store that was deleted uses nothing.
SELECT store_id, id FROM knowledge_items i WHERE tenant_id = :tenant_id AND asset_id = :asset_id AND EXISTS (SELECT 1 FROM knowledge_stores s
    WHERE s.tenant_id = :tenant_id AND s.id = i.store_id AND s.name IS NOT NULL)
ORDER BY id;

-- name: find_read_item
-- The newest item that was read to its end; of stores that still read it, the newest.
SELECT id, status, error FROM knowledge_items i WHERE tenant_id = :tenant_id AND asset_id = :asset_id AND EXISTS (SELECT 1 FROM knowledge_stores s
    WHERE s.tenant_id = :tenant_id AND s.id = i.store_id AND s.name IS NOT NULL)
ORDER BY CASE status WHEN 'ready' THEN 0 WHEN 'failed' THEN 2 ELSE 1 END, id DESC LIMIT 1;

-- name: remove_asset
-- Its files go when this is stored.
DELETE FROM assets WHERE tenant_id = :tenant_id AND id = :id;

-- name: remove_asset_chunks
-- What had arrived of it, if it came in parts.
DELETE FROM upload_chunks WHERE tenant_id = :tenant_id
    AND upload_id IN (SELECT id FROM uploads WHERE tenant_id = :tenant_id AND asset_id = :id);

-- name: remove_asset_uploads
-- How it came.
DELETE FROM uploads WHERE tenant_id = :tenant_id AND asset_id = :id;

-- name: make_secret
-- Of servers that begin at the same time, one makes it.
INSERT INTO secrets (name, secret) VALUES (:name, :secret) ON CONFLICT (name) DO NOTHING;

-- name: find_secret
-- The same for all servers on this database.
SELECT secret FROM secrets WHERE name = :name;
