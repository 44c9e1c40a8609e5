-- Tenants, keys, sessions, items, runs. {uuid} and {int} are the dialect's words for a UUID and a 64-bit integer.
-- Times are milliseconds since 1970 (UTC). Every table of tenant data has the tenant first, so that it can be distributed by it.

CREATE TABLE tenants (
    id {uuid} NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    default_user_id {uuid} NOT NULL,
    created_at {int} NOT NULL
);

CREATE TABLE users (
    tenant_id {uuid} NOT NULL,
    id {uuid} NOT NULL,
    external_id TEXT NOT NULL,
    created_at {int} NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, external_id)
);

CREATE TABLE api_keys (
    tenant_id {uuid} NOT NULL,
    id {uuid} NOT NULL,
    user_id {uuid} NOT NULL,
    is_bound {int} NOT NULL,
    label TEXT NOT NULL,
    hint TEXT NOT NULL,
    digest {bytes} NOT NULL UNIQUE,
    scopes TEXT NOT NULL,
    created_at {int} NOT NULL,
    revoked_at {int},
    PRIMARY KEY (tenant_id, id)
);

-- path is NULL while the active branch is simply 1 to head, so that a turn of a linear session does not rewrite it.
-- sweep_at is when the sweeper looks next: it is moved then, not on every turn.
CREATE TABLE sessions (
    tenant_id {uuid} NOT NULL,
    id {uuid} NOT NULL,
    user_id {uuid} NOT NULL,
    external_id TEXT,
    created_at {int} NOT NULL,
    active_at {int} NOT NULL,
    idle_expiry_s {int},
    sweep_at {int},
    instructions TEXT,
    metadata TEXT NOT NULL,
    head {int} NOT NULL,
    path TEXT,
    cut {int} NOT NULL,
    run_id {uuid},
    server_id {uuid},
    fencing {int} NOT NULL,
    tickets {int} NOT NULL,
    waiting {int} NOT NULL,
    vanished_run_id {uuid},
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX sessions_by_external_id ON sessions (tenant_id, user_id, external_id);
CREATE INDEX sessions_by_user ON sessions (tenant_id, user_id, id);
CREATE INDEX sessions_by_sweep ON sessions (sweep_at) WHERE sweep_at IS NOT NULL;

CREATE TABLE items (
    tenant_id {uuid} NOT NULL,
    session_id {uuid} NOT NULL,
    seq {int} NOT NULL,
    run_id {uuid} NOT NULL,
    created_at {int} NOT NULL,
    tokens {int} NOT NULL,
    status TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (tenant_id, session_id, seq)
);

CREATE TABLE runs (
    tenant_id {uuid} NOT NULL,
    id {uuid} NOT NULL,
    session_id {uuid} NOT NULL,
    ticket {int} NOT NULL,
    status TEXT NOT NULL,
    server_id {uuid} NOT NULL,
    model TEXT NOT NULL,
    digest {bytes} NOT NULL,
    created_at {int} NOT NULL,
    started_at {int},
    ended_at {int},
    input_first {int},
    input_last {int},
    output_first {int},
    output_last {int},
    input TEXT,
    output TEXT,
    settings TEXT,
    labels TEXT,
    usage TEXT,
    error TEXT,
    finish_reason TEXT,
    first_token_ms {int},
    is_cancelled {int} NOT NULL,
    vanished_at {int},
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX runs_by_ticket ON runs (tenant_id, session_id, ticket);
CREATE INDEX runs_waiting ON runs (tenant_id, session_id, ticket) WHERE status = 'queued';
CREATE INDEX runs_unfinished ON runs (server_id) WHERE status IN ('queued', 'in_progress');

-- What the provider streamed, one JSON a line, so that a stream can be picked up; forgotten after an hour.
CREATE TABLE run_events (
    tenant_id {uuid} NOT NULL,
    run_id {uuid} NOT NULL,
    first {int} NOT NULL,
    is_whole {int} NOT NULL,
    created_at {int} NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (tenant_id, run_id, first)
);
CREATE INDEX run_events_by_age ON run_events (created_at);

CREATE TABLE idempotency_keys (
    tenant_id {uuid} NOT NULL,
    user_id {uuid} NOT NULL,
    route TEXT NOT NULL,
    key TEXT NOT NULL,
    digest {bytes} NOT NULL,
    run_id {uuid} NOT NULL,
    session_id {uuid} NOT NULL,
    created_at {int} NOT NULL,
    PRIMARY KEY (tenant_id, user_id, route, key)
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
CREATE INDEX idempotency_keys_by_session ON idempotency_keys (tenant_id, session_id);

-- Sessions that were deleted or have expired and whose items, runs and events are still to be erased.
CREATE TABLE erasures (
    tenant_id {uuid} NOT NULL,
    session_id {uuid} NOT NULL,
    PRIMARY KEY (tenant_id, session_id)
);

CREATE TABLE servers (
    id {uuid} NOT NULL PRIMARY KEY,
    expires_at {int} NOT NULL
);
