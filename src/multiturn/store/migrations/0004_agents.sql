-- Runs of agents: their steps, what waits for a person's word, what they cost, and what may be spent.

-- The run of the session that waits for a word: until then there is no other turn.
ALTER TABLE sessions ADD COLUMN waiting_run_id {uuid};

-- cost is in billionths of a US dollar, NULL where no price is known; reasoning is JSON of how much the model was to think.
ALTER TABLE runs ADD COLUMN cost {int};
ALTER TABLE runs ADD COLUMN reasoning TEXT;

-- Each call of the model in a run with the tools that it called, as JSON; a run of a single step without tools has none.
CREATE TABLE run_steps (
    tenant_id {uuid} NOT NULL,
    run_id {uuid} NOT NULL,
    number {int} NOT NULL,
    session_id {uuid} NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (tenant_id, run_id, number)
);
CREATE INDEX run_steps_by_session ON run_steps (tenant_id, session_id);

-- What a run needs to go on when a person has said whether its calls may run. calls is JSON: those that wait, and decisions so far.
CREATE TABLE run_waits (
    tenant_id {uuid} NOT NULL,
    run_id {uuid} NOT NULL,
    session_id {uuid} NOT NULL,
    asked_at {int} NOT NULL,
    expires_at {int} NOT NULL,
    calls TEXT NOT NULL,
    decisions TEXT NOT NULL,
    state {bytes} NOT NULL,
    PRIMARY KEY (tenant_id, run_id)
);
CREATE INDEX run_waits_by_expiry ON run_waits (expires_at);
CREATE INDEX run_waits_by_session ON run_waits (tenant_id, session_id);

-- What was used on a day (days since 1970, UTC) by a user with a model: it outlives the sessions. cost as of runs; unpriced counts turns
-- without a known price. shard spreads what one user does with one model over several rows: of turns that end at the same moment none
-- waits for the other's commit.
CREATE TABLE usage_days (
    tenant_id {uuid} NOT NULL,
    user_id {uuid} NOT NULL,
    day {int} NOT NULL,
    model TEXT NOT NULL,
    shard {int} NOT NULL,
    turns {int} NOT NULL,
    input_tokens {int} NOT NULL,
    cached_tokens {int} NOT NULL,
    cache_write_tokens {int} NOT NULL,
    output_tokens {int} NOT NULL,
    reasoning_tokens {int} NOT NULL,
    cost {int} NOT NULL,
    unpriced {int} NOT NULL,
    PRIMARY KEY (tenant_id, user_id, day, model, shard)
);
CREATE INDEX usage_days_by_day ON usage_days (tenant_id, day);

-- The same of a session in all its life, added up by each turn's end.
ALTER TABLE sessions ADD COLUMN used_turns {int} NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN used_input {int} NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN used_cached {int} NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN used_cache_write {int} NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN used_output {int} NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN used_reasoning {int} NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN used_cost {int} NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN used_unpriced {int} NOT NULL DEFAULT 0;

-- What may be used, as JSON: kind is tenant, user or session. subject_id is the user or session that it is for, or the tenant's id: then
-- it is for all of that kind that have none of their own.
CREATE TABLE quotas (
    tenant_id {uuid} NOT NULL,
    kind TEXT NOT NULL,
    subject_id {uuid} NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (tenant_id, kind, subject_id)
);

-- Since when a key opens nothing more, and when it was last used, to the minute.
ALTER TABLE api_keys ADD COLUMN expires_at {int};
ALTER TABLE api_keys ADD COLUMN used_at {int};

-- What a dialect keeps with a knowledge store and gives back, as JSON.
ALTER TABLE knowledge_stores ADD COLUMN wire TEXT;

-- What was retrieved ahead of a turn, as JSON: the queries, and what they found then.
CREATE TABLE prepared_contexts (
    tenant_id {uuid} NOT NULL,
    id {uuid} NOT NULL,
    user_id {uuid} NOT NULL,
    created_at {int} NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX prepared_contexts_by_user ON prepared_contexts (tenant_id, user_id);

-- Runs that are looked for beyond one session: by their agent, and those that did not go well, or wait. Most runs are in neither.
CREATE INDEX runs_by_agent ON runs (tenant_id, agent_id, id) WHERE agent_id IS NOT NULL;
CREATE INDEX runs_notable ON runs (tenant_id, status, id) WHERE status IN ('waiting', 'incomplete', 'failed', 'cancelled');
