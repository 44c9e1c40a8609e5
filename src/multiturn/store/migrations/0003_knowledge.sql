-- Files that are put in, knowledge stores that have a name, what readers find in a file, and background work.

-- alias is the short id on the wire; status, kind, hls and thumbnail are the words of model/asset.py; technical and metadata are JSON,
-- metadata NULL while the client never set any. error says to a person why it failed.
CREATE TABLE assets (
    tenant_id {uuid} NOT NULL,
    id {uuid} NOT NULL,
    alias TEXT NOT NULL,
    created_at {int} NOT NULL,
    updated_at {int} NOT NULL,
    method TEXT NOT NULL,
    status TEXT NOT NULL,
    filename TEXT NOT NULL,
    mime TEXT NOT NULL,
    kind TEXT,
    size_bytes {int},
    duration_ms {int},
    pages {int},
    digest TEXT,
    url TEXT,
    technical TEXT NOT NULL,
    metadata TEXT,
    purpose TEXT,
    error TEXT,
    hls TEXT NOT NULL,
    hls_error TEXT,
    thumbnail TEXT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX assets_by_alias ON assets (tenant_id, alias);
CREATE INDEX assets_by_digest ON assets (tenant_id, digest, id);

-- A file that comes in parts; what has arrived of it stands in upload_chunks.
CREATE TABLE uploads (
    tenant_id {uuid} NOT NULL,
    id {uuid} NOT NULL,
    asset_id {uuid} NOT NULL,
    created_at {int} NOT NULL,
    updated_at {int} NOT NULL,
    expires_at {int} NOT NULL,
    status TEXT NOT NULL,
    size_bytes {int} NOT NULL,
    chunk_bytes {int} NOT NULL,
    chunks {int} NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX uploads_by_asset ON uploads (tenant_id, asset_id);
CREATE INDEX uploads_by_expiry ON uploads (expires_at) WHERE status = 'active';

CREATE TABLE upload_chunks (
    tenant_id {uuid} NOT NULL,
    upload_id {uuid} NOT NULL,
    number {int} NOT NULL,
    size_bytes {int} NOT NULL,
    etag TEXT NOT NULL,
    uploaded_at {int} NOT NULL,
    is_confirmed {int} NOT NULL,
    PRIMARY KEY (tenant_id, upload_id, number)
);

-- A store with a name is its own owner: owner_kind is 'store' and owner_id its id. name is NULL for the private stores of sessions,
-- agents and users. ingestion is the JSON that its maker sent, ingestion_schema the schema that a model made of a description in it.
ALTER TABLE knowledge_stores ADD COLUMN name TEXT;
ALTER TABLE knowledge_stores ADD COLUMN description TEXT;
ALTER TABLE knowledge_stores ADD COLUMN metadata TEXT;
ALTER TABLE knowledge_stores ADD COLUMN ingestion TEXT;
ALTER TABLE knowledge_stores ADD COLUMN ingestion_schema TEXT;
ALTER TABLE knowledge_stores ADD COLUMN updated_at {int};
CREATE INDEX knowledge_stores_named ON knowledge_stores (tenant_id, id) WHERE name IS NOT NULL;
CREATE INDEX knowledge_stores_by_name ON knowledge_stores (tenant_id, name, id) WHERE name IS NOT NULL;

-- An item of an asset keeps its text in knowledge_parts; its content is empty. asset_id is NULL for documents that came as text, and so
-- are the other columns. system, notes, facts and summary are JSON (model/store.py).
ALTER TABLE knowledge_items ADD COLUMN asset_id {uuid};
ALTER TABLE knowledge_items ADD COLUMN kind TEXT;
ALTER TABLE knowledge_items ADD COLUMN status TEXT;
ALTER TABLE knowledge_items ADD COLUMN step TEXT;
ALTER TABLE knowledge_items ADD COLUMN progress {int};
ALTER TABLE knowledge_items ADD COLUMN error TEXT;
ALTER TABLE knowledge_items ADD COLUMN notes TEXT;
ALTER TABLE knowledge_items ADD COLUMN system TEXT;
ALTER TABLE knowledge_items ADD COLUMN facts TEXT;
ALTER TABLE knowledge_items ADD COLUMN summary TEXT;
ALTER TABLE knowledge_items ADD COLUMN updated_at {int};
CREATE INDEX knowledge_items_by_asset ON knowledge_items (tenant_id, asset_id) WHERE asset_id IS NOT NULL;
CREATE INDEX knowledge_items_by_status ON knowledge_items (tenant_id, store_id, status, characters, asset_id) WHERE asset_id IS NOT NULL;

-- What a reader found in an item's file, one piece a row: starts counts characters over the whole item, length is the text's. A piece
-- never lies across two modalities, pages or shots. place is the rest of its place as JSON.
CREATE TABLE knowledge_parts (
    tenant_id {uuid} NOT NULL,
    store_id {uuid} NOT NULL,
    item_id {uuid} NOT NULL,
    starts {int} NOT NULL,
    length {int} NOT NULL,
    modality TEXT NOT NULL,
    start_ms {int},
    end_ms {int},
    place TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (tenant_id, item_id, starts)
);
CREATE INDEX knowledge_parts_by_time ON knowledge_parts (tenant_id, item_id, start_ms, starts);

-- A segment holds chunks of one modality only. Its version is 0 until its item is published: a search never sees half an item.
ALTER TABLE knowledge_segments ADD COLUMN modality TEXT NOT NULL DEFAULT 'text';

CREATE TABLE collections (
    tenant_id {uuid} NOT NULL,
    id {uuid} NOT NULL,
    store_id {uuid} NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    metadata TEXT NOT NULL,
    created_at {int} NOT NULL,
    updated_at {int} NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX collections_by_name ON collections (tenant_id, store_id, name);
CREATE INDEX collections_by_store ON collections (tenant_id, store_id, id);

CREATE TABLE collection_members (
    tenant_id {uuid} NOT NULL,
    collection_id {uuid} NOT NULL,
    item_id {uuid} NOT NULL,
    PRIMARY KEY (tenant_id, collection_id, item_id)
);
CREATE INDEX collection_members_by_item ON collection_members (tenant_id, item_id);

-- Background work: one row for each subject that has something to be done. Who does it has it until claimed_until; run_at is when it
-- may be tried, later after each failure. tries failed, deaths are of workers who had it, both since it came further the last time.
CREATE TABLE jobs (
    tenant_id {uuid} NOT NULL,
    id {uuid} NOT NULL,
    kind TEXT NOT NULL,
    subject_id {uuid} NOT NULL,
    created_at {int} NOT NULL,
    run_at {int} NOT NULL,
    tries {int} NOT NULL,
    deaths {int} NOT NULL,
    worker_id {uuid},
    claimed_until {int},
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX jobs_by_subject ON jobs (tenant_id, kind, subject_id);
CREATE INDEX jobs_by_time ON jobs (kind, tenant_id, run_at, id);
CREATE INDEX jobs_claimed ON jobs (tenant_id, kind, claimed_until) WHERE claimed_until IS NOT NULL;

-- What the server signs the links with that it gives out; made once.
CREATE TABLE secrets (
    name TEXT NOT NULL PRIMARY KEY,
    secret {bytes} NOT NULL
);
