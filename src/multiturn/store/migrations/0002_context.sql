-- What a session is set to and what its model is shown; agents, users and documents as resources; recall.

-- JSON of what a tenant sets for all its sessions; NULL while nothing is set.
ALTER TABLE tenants ADD COLUMN policy TEXT;

ALTER TABLE users ADD COLUMN name TEXT;
ALTER TABLE users ADD COLUMN about TEXT;
ALTER TABLE users ADD COLUMN project TEXT;
ALTER TABLE users ADD COLUMN metadata TEXT;
ALTER TABLE users ADD COLUMN updated_at {int};
CREATE INDEX users_by_creation ON users (tenant_id, created_at, id);

-- settings is JSON, NULL while nothing is set; shown is the JSON of the window's state besides its cut, NULL before the first cut;
-- cleared is the last seq that a clear took away, so that what forks still share can be erased when they go.
ALTER TABLE sessions ADD COLUMN settings TEXT;
ALTER TABLE sessions ADD COLUMN shown TEXT;
ALTER TABLE sessions ADD COLUMN cleared {int} NOT NULL DEFAULT 0;
CREATE INDEX sessions_by_activity ON sessions (tenant_id, active_at, id);

-- Which agents and users take part in a session: the settings name them too, this is for listings.
CREATE TABLE session_members (
    tenant_id {uuid} NOT NULL,
    session_id {uuid} NOT NULL,
    member_id {uuid} NOT NULL,
    PRIMARY KEY (tenant_id, session_id, member_id)
);
CREATE INDEX session_members_by_member ON session_members (tenant_id, member_id, session_id);

-- A fork shares items of other sessions, of each from one seq to another: they live until their last referrer goes.
CREATE TABLE forks (
    tenant_id {uuid} NOT NULL,
    origin_id {uuid} NOT NULL,
    session_id {uuid} NOT NULL,
    first {int} NOT NULL,
    last {int} NOT NULL,
    PRIMARY KEY (tenant_id, origin_id, session_id)
);
CREATE INDEX forks_by_session ON forks (tenant_id, session_id);

-- NULL erases everything; else what a clear took away: items up to a seq, runs up to a ticket. An agent or a user that was deleted
-- stands here as a session does: what is erased is whatever belonged to that id, its documents among them.
ALTER TABLE erasures ADD COLUMN last_seq {int};
ALTER TABLE erasures ADD COLUMN last_ticket {int};

-- What a run's model was shown, part by part, as JSON; the agent that answered.
ALTER TABLE runs ADD COLUMN context TEXT;
ALTER TABLE runs ADD COLUMN agent_id {uuid};
ALTER TABLE runs ADD COLUMN agent_version {int};

CREATE TABLE agents (
    tenant_id {uuid} NOT NULL,
    id {uuid} NOT NULL,
    version {int} NOT NULL,
    created_at {int} NOT NULL,
    updated_at {int} NOT NULL,
    canonical_name TEXT,
    metadata TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX agents_by_canonical_name ON agents (tenant_id, canonical_name);
CREATE INDEX agents_by_creation ON agents (tenant_id, created_at, id);

-- Every version that an agent had, the present one included.
CREATE TABLE agent_versions (
    tenant_id {uuid} NOT NULL,
    agent_id {uuid} NOT NULL,
    version {int} NOT NULL,
    created_at {int} NOT NULL,
    metadata TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (tenant_id, agent_id, version)
);

-- owner_kind is session, agent or user: the private store of its documents, made with the first of them. version counts its
-- changes, erased is the version of the last that took something away: what a server holds of it in memory is compared with them.
CREATE TABLE knowledge_stores (
    tenant_id {uuid} NOT NULL,
    id {uuid} NOT NULL,
    owner_kind TEXT NOT NULL,
    owner_id {uuid} NOT NULL,
    created_at {int} NOT NULL,
    version {int} NOT NULL,
    erased {int} NOT NULL,
    chunks {int} NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX knowledge_stores_by_owner ON knowledge_stores (tenant_id, owner_id, owner_kind);

-- digest is of title and content: the same document twice in one store is a conflict. content is all parts behind one another, parts
-- the characters of each as JSON, NULL when it is one text. A server that makes its vectors has it until claimed_until.
CREATE TABLE knowledge_items (
    tenant_id {uuid} NOT NULL,
    id {uuid} NOT NULL,
    store_id {uuid} NOT NULL,
    created_at {int} NOT NULL,
    title TEXT NOT NULL,
    metadata TEXT NOT NULL,
    language TEXT NOT NULL,
    digest {bytes} NOT NULL,
    chunks {int} NOT NULL,
    characters {int} NOT NULL,
    claimed_until {int},
    parts TEXT,
    content TEXT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX knowledge_items_by_digest ON knowledge_items (tenant_id, store_id, digest);
CREATE INDEX knowledge_items_by_store ON knowledge_items (tenant_id, store_id, id);

-- The search index of an item's chunks, a batch of them a row: terms always, vectors when model says of which embedding model.
-- version is that of the store when it was written.
CREATE TABLE knowledge_segments (
    tenant_id {uuid} NOT NULL,
    store_id {uuid} NOT NULL,
    item_id {uuid} NOT NULL,
    number {int} NOT NULL,
    version {int} NOT NULL,
    model TEXT,
    body {bytes} NOT NULL,
    PRIMARY KEY (tenant_id, store_id, item_id, number)
);
CREATE INDEX knowledge_segments_by_version ON knowledge_segments (tenant_id, store_id, version, item_id, number);
CREATE INDEX knowledge_segments_by_model ON knowledge_segments (model);

-- The search index of a session's items first to last, a batch of them a row.
CREATE TABLE session_segments (
    tenant_id {uuid} NOT NULL,
    session_id {uuid} NOT NULL,
    first {int} NOT NULL,
    last {int} NOT NULL,
    model TEXT,
    body {bytes} NOT NULL,
    PRIMARY KEY (tenant_id, session_id, first)
);

CREATE INDEX session_segments_by_model ON session_segments (model);

-- What was retrieved for a run; the block of it stands in the message seq as long as that is shown.
CREATE TABLE retrieved_contexts (
    tenant_id {uuid} NOT NULL,
    run_id {uuid} NOT NULL,
    session_id {uuid} NOT NULL,
    seq {int},
    body TEXT NOT NULL,
    PRIMARY KEY (tenant_id, run_id)
);
CREATE INDEX retrieved_contexts_by_session ON retrieved_contexts (tenant_id, session_id, seq);

-- The summary that was made ahead of need; the turn that cuts the context makes an item of it.
CREATE TABLE pending_summaries (
    tenant_id {uuid} NOT NULL,
    session_id {uuid} NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (tenant_id, session_id)
);

/*postgres: CREATE FUNCTION metadata_contains(metadata text, wanted text) RETURNS boolean LANGUAGE sql IMMUTABLE AS
$$ SELECT metadata::jsonb @> wanted::jsonb $$;
*/
