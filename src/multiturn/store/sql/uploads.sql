-- name: add_upload
-- In the transaction of its asset.
INSERT INTO uploads (tenant_id, id, asset_id, created_at, updated_at, expires_at, status, size_bytes, chunk_bytes, chunks)
VALUES (:tenant_id, :id, :asset_id, :created_at, :updated_at, :expires_at, :status, :size_bytes, :chunk_bytes, :chunks);

-- name: find_upload
-- As it stands.
SELECT tenant_id, id, asset_id, created_at, updated_at, expires_at, status, size_bytes, chunk_bytes, chunks
FROM uploads WHERE tenant_id = :tenant_id AND id = :id;

-- name: list_active_uploads
-- Those that are not complete and still may be, newest first.
SELECT tenant_id, id, asset_id, created_at, updated_at, expires_at, status, size_bytes, chunk_bytes, chunks
FROM uploads WHERE tenant_id = :tenant_id AND status = 'active' ORDER BY id DESC LIMIT :limit OFFSET :offset;

-- name: count_active_uploads
-- How many of these there are.
SELECT count(*) FROM uploads WHERE tenant_id = :tenant_id AND status = 'active';

-- name: list_expired_uploads
-- Those whose time is over, the oldest first.
-- across tenants: the sweeper takes away what clients of any tenant left unfinished.
SELECT tenant_id, id, asset_id, created_at, updated_at, expires_at, status, size_bytes, chunk_bytes, chunks
FROM uploads WHERE status = 'active' AND expires_at <= :now ORDER BY expires_at LIMIT :limit;

-- name: save_upload_chunk
-- A part that is sent again stands instead of the earlier one, and has to be reported again. One that comes when the upload has ended is not
-- noted.
INSERT INTO upload_chunks (tenant_id, upload_id, number, size_bytes, etag, uploaded_at, is_confirmed)
SELECT tenant_id, id, CAST(:number AS {int}), CAST(:size_bytes AS {int}), CAST(:etag AS TEXT), CAST(:uploaded_at AS {int}), 0
FROM uploads WHERE tenant_id = :tenant_id AND id = :upload_id AND status = 'active'
ON CONFLICT (tenant_id, upload_id, number) DO UPDATE
SET size_bytes = excluded.size_bytes, etag = excluded.etag, uploaded_at = excluded.uploaded_at,
    is_confirmed = CASE WHEN upload_chunks.etag = excluded.etag THEN upload_chunks.is_confirmed ELSE 0 END;

-- name: confirm_upload_chunk
-- The client has reported it.
UPDATE upload_chunks SET is_confirmed = 1 WHERE tenant_id = :tenant_id AND upload_id = :upload_id AND number = :number;

-- name: touch_upload
-- When something last happened to it.
UPDATE uploads SET updated_at = :now WHERE tenant_id = :tenant_id AND id = :upload_id;

-- name: list_upload_chunks
-- By number.
SELECT number, size_bytes, etag, uploaded_at, is_confirmed FROM upload_chunks
WHERE tenant_id = :tenant_id AND upload_id = :upload_id ORDER BY number;

-- name: finish_upload
-- Of two that end it, one does.
UPDATE uploads SET status = :status, updated_at = :updated_at WHERE tenant_id = :tenant_id AND id = :id AND status = 'active';
